"""Softmax, LogSoftmax, Hardmax before opset 13: over all axes from `axis` on, as one flat row.

    softmax_12(x, axis) = reshape(softmax_13(flatten(x, axis), -1), shape(x))

If `axis` is the last one, this is the new softmax on the last axis.
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.importers.upgrade.convert import insert, rank_of, replace_by, take


def softmax_13(node: ir.Node, name: str) -> None:
    axis, rank, x = int(take(node, "axis", 1)), rank_of(node.inputs[0]), node.inputs[0]
    if axis == -1 or (rank is not None and axis == rank - 1):
        node.attributes["axis"] = ir.AttrInt64("axis", -1)
        return
    flat = insert(node, "Flatten", [x], axis=axis)
    rows = insert(node, node.op_type, [flat], axis=-1)
    shape = insert(node, "Shape", [x])
    replace_by(node, insert(node, "Reshape", [rows, shape], allowzero=1))
