"""Pooling over windows, and over whole planes."""

from __future__ import annotations

import math
from collections.abc import Callable

from burnish.dims import product
from burnish.dtypes import DType
from burnish.ops.agreement import not_empty
from burnish.ops.arguments import size
from burnish.ops.lane_sums import sum_of_plane
from burnish.ops.language.definition import Compute, Index, NodeView, Tensor
from burnish.ops.language.expr import Expr, binary, cast, const, dim, reduce, unary
from burnish.ops.movement import load_or
from burnish.ops.reduction import reduce_over
from burnish.ops.registry import Undefined, operator
from burnish.ops.windows import Window, guarded_axes, outputs_of, positions, windows_of

Body = Callable[[Index], Expr]


def lowest(dtype: DType) -> Expr:
    """A lower limit of the dtype: no element is below it."""
    if dtype.is_float:
        return const(-math.inf, dtype)
    return const(-(1 << (dtype.size_bytes * 8 - 1)) if dtype.is_signed else 0, dtype)


def pooled(
    x: Tensor,
    windows: list[Window],
    index: Index,
    kind: str,
    fill: Expr,
    map_: Callable[[Expr], Expr],
    columns: int = 0,
) -> Expr:
    """kind over the taps of map_(x at the tap); `fill` where a tap is outside. columns: over this many axes, the last
    ones, of what kind over the others gives, instead of over all in turn."""
    windows = [w.clipped() for w in windows]
    taps = [w.tap() for w in windows]
    position = [*index[:2], *positions(windows, index[2:], taps)]
    inner, outer = (taps[:-columns], taps[-columns:]) if columns else (taps, [])
    return reduce(kind, outer, reduce(kind, inner, map_(load_or(x, position, guarded_axes(windows), fill))))


def _windows(node: NodeView, x: Tensor) -> list[Window]:
    windows = windows_of(node, x.shape[2:], node.attr("kernel_shape"), must_fit=False)
    for axis, window in enumerate(windows, start=2):
        not_empty(x, axis, window.output)
    return windows


@operator("MaxPool")
def max_pool(node: NodeView) -> Compute:
    if len(node.output_names) > 1 and node.output_names[1]:
        raise Undefined("MaxPool with Indices")
    x = node.tensor(0)
    windows = _windows(node, x)
    shape = (*x.shape[:2], *outputs_of(windows))
    return Compute(x.dtype, shape, lambda i: pooled(x, windows, i, "max", lowest(x.dtype), lambda v: v))


@operator("AveragePool")
def average_pool(node: NodeView) -> Compute:
    """The mean of the taps inside the tensor, or inside the padded tensor with count_include_pad.

    Summed in ONNX Runtime's order, which has two: the mean of four codes lies on a tie of the next QuantizeLinear each
    fourth time, where the roundings of the sum decide.
    """
    x = node.tensor(0)
    windows = _windows(node, x)
    padded = bool(node.attr("count_include_pad", 0))
    columns = 1 if node.sums_columns and len(windows) > 1 and windows[-1].stride <= 2 else 0

    def body(i: Index) -> Expr:
        count: Expr = const(1, DType.I64)
        for w, v in zip(windows, i[2:]):
            count = count * _taps_inside(w, v, padded)
        total = pooled(x, windows, i, "sum", const(0, x.dtype), lambda v: v, columns)
        return total / cast(count, x.dtype)

    return Compute(x.dtype, (*x.shape[:2], *outputs_of(windows)), body)


def _taps_inside(w: Window, index: Expr, padded: bool) -> Expr:
    """How many taps of the window lie inside (with the pads, if they count)."""
    if w.is_inside:
        return const(w.kernel, DType.I64)
    start = index * w.stride - w.pad_begin
    low, high = (w.pad_begin * -1, w.extent + w.pad_end) if padded else (0, w.extent)
    first = _ceildiv(dim(low) - start, w.dilation)
    end = _ceildiv(dim(high) - start, w.dilation)
    return binary("min", end, w.kernel) - binary("max", first, 0)


def _ceildiv(value: Expr, divisor: int) -> Expr:
    return value if divisor == 1 else (value + (divisor - 1)) // dim(divisor)


@operator("LpPool")
def lp_pool(node: NodeView) -> Compute:
    """sum(|x|**p) ** (1 / p)"""
    x, p = node.tensor(0), node.attr("p", 2)
    windows = _windows(node, x)

    def body(i: Index) -> Expr:
        return _root(pooled(x, windows, i, "sum", const(0, x.dtype), lambda v: _power(v, p)), p)

    return Compute(x.dtype, (*x.shape[:2], *outputs_of(windows)), body)


def _power(value: Expr, p: int) -> Expr:
    if p == 1:
        return unary("abs", value)
    return value * value if p == 2 else binary("pow", unary("abs", value), p)


def _root(value: Expr, p: int) -> Expr:
    if p == 1:
        return value
    return unary("sqrt", value) if p == 2 else binary("pow", value, 1 / p)


def _global(node: NodeView, finish: Callable[[Tensor, Index, tuple[int, ...]], Expr]) -> Compute:
    x = node.tensor(0)
    axes = tuple(range(2, x.rank))
    return Compute(x.dtype, (*x.shape[:2], *(1,) * (x.rank - 2)), lambda i: finish(x, i, axes))


@operator("GlobalAveragePool")
def global_average_pool(node: NodeView) -> Compute:
    def mean(x: Tensor, i: Index, axes: tuple[int, ...]) -> Expr:
        count = size(product(x.shape[2:]), x.dtype)
        total = sum_of_plane(x, axes, i) if node.of_codes else None
        return (reduce_over(x, axes, i, "sum", lambda v: v) if total is None else total) / count

    return _global(node, mean)


@operator("GlobalMaxPool")
def global_max_pool(node: NodeView) -> Compute:
    return _global(node, lambda x, i, axes: reduce_over(x, axes, i, "max", lambda v: v))


@operator("GlobalLpPool")
def global_lp_pool(node: NodeView) -> Compute:
    p = node.attr("p", 2)
    return _global(node, lambda x, i, axes: _root(reduce_over(x, axes, i, "sum", lambda v: _power(v, p)), p))
