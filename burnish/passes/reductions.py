"""Means, sums and maxima over axes, whichever way an exporter wrote them.

ReduceMean(x, axes)                                    keepdims = 1
ReduceSum(x, axes) * (1 / n)                           n = number of elements reduced, static
Reshape or Unsqueeze of either with keepdims = 0       where it puts back the axes of size 1
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from burnish.passes.constants import constant_integers
from burnish.passes.products import is_close, is_shared, product_of


@dataclass(frozen=True)
class Reduction:
    """`x` reduced over `axes` (sorted, from the front), which stay with size 1; `nodes` with the last one first."""

    x: ir.Value
    axes: tuple[int, ...]
    nodes: tuple[ir.Node, ...]


def mean_of(value: ir.Value) -> Reduction | None:
    """The mean a value is, else None."""
    direct = reduction_of(value, "ReduceMean")
    if direct is not None:
        return direct
    part = product_of(value)
    total = part.only()
    reduction = reduction_of(total, "ReduceSum") if total is not None else None
    if total is None or reduction is None or reduction.x.shape is None or (total is not value and is_shared(total)):
        return None
    count = 1
    for axis in reduction.axes:
        size = reduction.x.shape[axis]
        if not isinstance(size, int):
            return None
        count *= size
    if not count or not is_close(part.scale * count, 1.0, value.dtype):
        return None
    return Reduction(reduction.x, reduction.axes, (*part.nodes, *reduction.nodes))


def reduction_of(value: ir.Value, op_type: str) -> Reduction | None:
    """The reduction by `op_type` that a value is, else None."""
    node = value.producer()
    if node is None or node.domain:
        return None
    if node.op_type == op_type:
        return _plain(node, keeps=True)
    if node.op_type not in ("Reshape", "Unsqueeze") or node.inputs[0] is None or is_shared(node.inputs[0]):
        return None
    inner = node.inputs[0].producer()
    if inner is None or inner.op_type != op_type or inner.graph is not node.graph:
        return None
    found = _plain(inner, keeps=False)
    if found is None or found.x.shape is None or value.shape is None:
        return None
    kept = [1 if i in found.axes else d for i, d in enumerate(found.x.shape)]
    unknown = any(d is None or (isinstance(d, ir.SymbolicDim) and d.value is None) for d in kept)
    if unknown or kept != list(value.shape):
        return None
    return Reduction(found.x, found.axes, (node, *found.nodes))


def _plain(node: ir.Node, keeps: bool) -> Reduction | None:
    x, keepdims = node.inputs[0], node.attributes.get("keepdims")
    if x is None or x.shape is None or (keepdims is None or keepdims.as_int() == 1) != keeps:
        return None
    rank = len(x.shape)
    given = node.inputs[1] if len(node.inputs) > 1 else None
    noop = node.attributes.get("noop_with_empty_axes")
    axes = constant_integers(given) if given is not None else ()
    if axes is None or (not axes and noop is not None and noop.as_int() == 1):
        return None
    return Reduction(x, tuple(sorted({a % rank for a in axes} or range(rank))), (node,))
