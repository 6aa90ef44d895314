"""Slices of step 1 as ranges: axis -> (start, end), both inside the axis."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.passes.rewrite.constants import constant_integers
from burnish.passes.rewrite.rule import Builder

Ranges = dict[int, tuple[int, int]]


def read_slice(node: ir.Node) -> Ranges | str:
    """The ranges of a Slice node whose axes have known sizes, or the reason why they are unknown."""
    x = node.inputs[0]
    if x is None or x.shape is None:
        return "the rank of its input is not known"
    parts = [constant_integers(v) for v in node.inputs[1:]]
    starts, ends = parts[0], parts[1]
    if any(p is None and v is not None for p, v in zip(parts, node.inputs[1:])) or starts is None or ends is None:
        return "its bounds are not constants"
    axes = (parts[2] if len(parts) > 2 else None) or tuple(range(len(starts)))
    steps = (parts[3] if len(parts) > 3 else None) or (1,) * len(starts)
    if not len(starts) == len(ends) == len(axes) == len(steps):
        return "its bounds are not of one length"
    if any(s != 1 for s in steps):
        return "its steps are not all 1"
    ranges: Ranges = {}
    for start, end, given in zip(starts, ends, axes, strict=True):
        axis = given % len(x.shape)
        size = x.shape[axis]
        if not isinstance(size, int):
            return f"axis {axis} of {x.name} has no known size"
        low, high = (min(max(v + size if v < 0 else v, 0), size) for v in (start, end))
        ranges[axis] = (low, max(low, high))
    return ranges


def write_slice(op: Builder, x: ir.Value, ranges: Ranges, name: str) -> ir.Value:
    """A Slice node for the ranges, or x itself if they take everything."""
    assert x.shape is not None
    kept = {a: r for a, r in sorted(ranges.items()) if r != (0, x.shape[a])}
    if not kept:
        return x
    starts = op.constant([r[0] for r in kept.values()], f"{name}/starts", dtype=np.int64)
    ends = op.constant([r[1] for r in kept.values()], f"{name}/ends", dtype=np.int64)
    result: ir.Value = op.Slice(x, starts, ends, op.constant(list(kept), f"{name}/axes", dtype=np.int64))
    result.type = x.type
    result.shape = ir.Shape([kept[a][1] - kept[a][0] if a in kept else d for a, d in enumerate(x.shape)])
    return result
