"""Every open dimension of an input gets a name, so that it can be bound, compared and reported.

image[-1, 3, ?, ?]    ->    image[image_0, 3, image_2, image_3]
"""

from __future__ import annotations

import onnx_ir as ir

NO_NAMES = frozenset({"", "?", "-1", "None", "unk", "unknown"})


def name_dims(model: ir.Model) -> None:
    """Negative and anonymous dimensions, and names that stand for "unknown", become `<input>_<axis>`."""
    for value in model.graph.inputs:
        if value.shape is not None:
            value.shape = ir.Shape([_named(d, f"{value.name}_{axis}") for axis, d in enumerate(value.shape)])


def _named(dim: int | ir.SymbolicDim, name: str) -> int | str:
    if isinstance(dim, int):
        return dim if dim >= 0 else name
    return name if dim.value is None or dim.value in NO_NAMES else dim.value
