"""Means, maxima and variances over axes, however an exporter wrote them.

    ReduceMean(x, axes)                                    keepdims = 1
    ReduceSum(x, axes) * (1 / n)                           n = number of elements reduced, static
    Reshape or Unsqueeze of either with keepdims = 0       if it puts back the axes of size 1
    max(0, mean(x**2) - mean(x)**2)                        the variance as Flax has it; the maximum may be left out

The nodes found may have other users. A rule that rewrites them must check this (`shared_inner_value`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import onnx_ir as ir

from burnish.passes.forms.products import is_close, product_of, sum_of
from burnish.passes.rewrite.constants import constant_integers


@dataclass(frozen=True)
class Reduction:
    """`x` reduced over `axes` (sorted, from the front), which stay with size 1; `nodes` with the last one first."""

    x: ir.Value
    axes: tuple[int, ...]
    nodes: tuple[ir.Node, ...]


def reduction_of(value: ir.Value, op_type: str) -> Reduction | None:
    """The reduction by `op_type` that computes a value, otherwise None."""
    inner, reshape = _without_reshape(value)
    found = _plain(inner, op_type, is_kept=reshape is None)
    return _put_back(found, reshape)


def mean_of(value: ir.Value) -> Reduction | None:
    """The mean that a value is, otherwise None."""
    inner, reshape = _without_reshape(value)
    return _put_back(_mean(inner, is_kept=reshape is None), reshape)


def variance_of(value: ir.Value) -> Reduction | None:
    """The variance of x that a value is, by mean(x**2) - mean(x)**2; otherwise None."""
    inner, reshape = _without_reshape(value)
    relu = inner.producer()
    nodes: tuple[ir.Node, ...] = ()
    if relu is not None and relu.op_type == "Relu" and relu.inputs[0] is not None:
        inner, nodes = relu.inputs[0], (relu,)
    signs = {sign: term for term, sign in sum_of(inner).terms}
    if len(sum_of(inner).terms) != 2 or set(signs) != {1, -1} or sum_of(inner).constant:
        return None
    squares, squared = _mean(signs[1], is_kept=reshape is None), product_of(signs[-1])
    root = squared.only(2.0)
    mean = _mean(root, is_kept=reshape is None) if root is not None and squared.scale == 1 else None
    if squares is None or mean is None or mean.axes != squares.axes:
        return None
    square = product_of(squares.x)
    if square.only(2.0) is not mean.x or square.scale != 1:
        return None
    nodes = (*nodes, *sum_of(inner).nodes, *squares.nodes, *square.nodes, *squared.nodes, *mean.nodes)
    return _put_back(Reduction(mean.x, mean.axes, nodes), reshape)


def _without_reshape(value: ir.Value) -> tuple[ir.Value, ir.Node | None]:
    """(y, node) if the value is a Reshape or an Unsqueeze of y, else (value, None)."""
    node = value.producer()
    if node is None or node.domain or node.op_type not in ("Reshape", "Unsqueeze") or node.inputs[0] is None:
        return value, None
    return node.inputs[0], node


def _put_back(found: Reduction | None, reshape: ir.Node | None) -> Reduction | None:
    """The reduction and the Reshape after it, if the Reshape puts back the reduced axes with size 1."""
    if found is None or reshape is None:
        return found
    shape = reshape.outputs[0].shape
    if found.x.shape is None or shape is None:
        return None
    kept = [1 if i in found.axes else d for i, d in enumerate(found.x.shape)]
    unknown = any(isinstance(d, ir.SymbolicDim) and d.value is None for d in kept)
    return None if unknown or kept != list(shape) else replace(found, nodes=(reshape, *found.nodes))


def _mean(value: ir.Value, is_kept: bool) -> Reduction | None:
    direct = _plain(value, "ReduceMean", is_kept)
    if direct is not None:
        return direct
    part = product_of(value)
    total = part.only()
    found = _plain(total, "ReduceSum", is_kept) if total is not None else None
    if found is None or found.x.shape is None:
        return None
    count = 1
    for axis in found.axes:
        size = found.x.shape[axis]
        if not isinstance(size, int):
            return None
        count *= size
    if not is_close(part.scale * count, 1.0, value.dtype):
        return None
    return replace(found, nodes=(*part.nodes, *found.nodes))


def _plain(value: ir.Value, op_type: str, is_kept: bool) -> Reduction | None:
    node = value.producer()
    if node is None or node.domain or node.op_type != op_type:
        return None
    x, keepdims = node.inputs[0], node.attributes.get("keepdims")
    if x is None or x.shape is None or (keepdims is None or keepdims.as_int() == 1) != is_kept:
        return None
    rank = len(x.shape)
    given = node.inputs[1] if len(node.inputs) > 1 else None
    noop = node.attributes.get("noop_with_empty_axes")
    axes = constant_integers(given) if given is not None else ()
    if axes is None or (not axes and noop is not None and noop.as_int() == 1):
        return None
    return Reduction(x, tuple(sorted({a % rank for a in axes} or range(rank))), (node,))
