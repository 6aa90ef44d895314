"""Upsample and the first Resize: only scales, and asymmetric corners.

x_in = x_out / scale;  nearest takes floor(x_in) when it enlarges, ceil(x_in) when it shrinks
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.importers.upgrade.convert import constant, set_input, take
from burnish.passes.rewrite.constants import constant_array


def upsample_9(node: ir.Node, name: str) -> None:
    """Upsample: scales became an input."""
    set_input(node, 1, constant(node, take(node, "scales"), "scales", np.float32))


def upsample_10(node: ir.Node, name: str) -> None:
    """Upsample is Resize-10."""
    node.op_type = "Resize"
    resize_11(node, name)


def resize_11(node: ir.Node, name: str) -> None:
    """Resize-10: corners and rounding become explicit; inputs (X, roi, scales)."""
    scales = node.inputs[1]
    array = constant_array(scales)
    shrinks = array is not None and bool((array < 1).any())
    mode = take(node, "mode", "nearest")
    set_input(node, 1, None)
    set_input(node, 2, scales)
    attributes = {
        "mode": {"bilinear": "linear"}.get(mode, mode),
        "coordinate_transformation_mode": "asymmetric",
        "nearest_mode": "ceil" if shrinks else "floor",
    }
    node.attributes.update({k: ir.AttrString(k, v) for k, v in attributes.items()})
