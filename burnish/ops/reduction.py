"""Reductions over axes: ReduceSum and similar, ArgMax, ArgMin, Softmax, LogSoftmax, Hardmax, CumSum."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from burnish.dims import Dim, product
from burnish.dtypes import DType
from burnish.ops.arguments import axes_in, axis_in, elements_of, ints_content, size
from burnish.ops.broadcasting import ZERO
from burnish.ops.lane_sums import sum_of_row
from burnish.ops.language.definition import Compute, Index, NodeView, Shape, Tensor
from burnish.ops.language.expr import Axis, Expr, axis, binary, cast, const, fresh_axis, reduce, unary, where
from burnish.ops.registry import Undefined, operator

LONGEST_RUN = 4096


def reduce_over(x: Tensor, axes: Sequence[int], index: Index, kind: str, body: Callable[[Expr], Expr]) -> Expr:
    """kind over the given axes of body(x[...]); the other axes stay at `index`, which has one entry per axis of x."""
    over = {a: fresh_axis(x.shape[a]) for a in axes}
    return reduce(kind, tuple(over.values()), body(x[place(index, over)]))


def place(index: Index, over: dict[int, Axis]) -> list[Expr]:
    """The index with the reduced axes running."""
    return [axis(over[a]) if a in over else v for a, v in enumerate(index)]


def _same(v: Expr) -> Expr:
    return v


@dataclass(frozen=True)
class Over:
    """Some axes of x, at one index of the others: `over(kind, body)` is kind over all of body(x)."""

    x: Tensor
    axes: tuple[int, ...]
    index: Index
    of_codes: bool = False

    def __call__(self, kind: str, body: Callable[[Expr], Expr] = _same) -> Expr:
        return reduce_over(self.x, self.axes, self.index, kind, body)

    def sum(self) -> Expr:
        """The sum of x; of codes in an order that no machine changes, where there is one."""
        total = sum_of_row(self.x, self.axes, self.index) if self.of_codes else None
        return self("sum") if total is None else total

    @property
    def count(self) -> Dim:
        """The number of elements along these axes."""
        return product(self.x.shape[a] for a in self.axes)


Finish = Callable[[Over], Expr]


def _reduction(op_type: str) -> Callable[[Finish], Finish]:
    """Register ReduceX: axes from input or attribute, keepdims, noop_with_empty_axes."""

    def enter(finish: Finish) -> Finish:
        @operator(op_type)
        def define(node: NodeView) -> Compute:
            x = node.tensor(0)
            given = ints_content(node, 1, "axes") or ()
            axes = axes_in(given, x.rank)
            if not given and not node.attr("noop_with_empty_axes", 0):
                axes = tuple(range(x.rank))
            keep = bool(node.attr("keepdims", 1))
            shape = reduced_shape(x.shape, axes, keep)
            return Compute(
                x.dtype, shape, lambda i: finish(Over(x, axes, expand_index(i, axes, x.rank, keep), node.of_codes))
            )

        return finish

    return enter


def reduced_shape(shape: Shape, axes: Sequence[int], keep: bool) -> Shape:
    """1 in place of the reduced axes, or without them."""
    return tuple(1 if a in axes else d for a, d in enumerate(shape) if keep or a not in axes)


def expand_index(index: Index, axes: Sequence[int], rank: int, keep: bool) -> list[Expr]:
    """One entry for every axis of the source; 0 for the reduced ones."""
    if keep:
        return [ZERO if a in axes else v for a, v in enumerate(index)]
    rest = iter(index)
    return [ZERO if a in axes else next(rest) for a in range(rank)]


@_reduction("ReduceSum")
def reduce_sum(over: Over) -> Expr:
    return over.sum()


@_reduction("ReduceMean")
def reduce_mean(over: Over) -> Expr:
    total = over.sum()
    return total / size(over.count, total.dtype)


@_reduction("ReduceProd")
def reduce_prod(over: Over) -> Expr:
    return over("prod")


@_reduction("ReduceMax")
def reduce_max(over: Over) -> Expr:
    return _extreme(over, "max")


@_reduction("ReduceMin")
def reduce_min(over: Over) -> Expr:
    return _extreme(over, "min")


def _extreme(over: Over, kind: str) -> Expr:
    """Booleans are ordered as 0 and 1."""
    is_bool = over(kind).dtype is DType.BOOL
    return cast(over(kind, lambda v: cast(v, DType.U8)), DType.BOOL) if is_bool else over(kind)


@_reduction("ReduceL1")
def reduce_l1(over: Over) -> Expr:
    return over("sum", lambda v: unary("abs", v))


@_reduction("ReduceL2")
def reduce_l2(over: Over) -> Expr:
    return _through_float(over("sum", lambda v: v * v), "sqrt")


@_reduction("ReduceSumSquare")
def reduce_sum_square(over: Over) -> Expr:
    return over("sum", lambda v: v * v)


@_reduction("ReduceLogSum")
def reduce_log_sum(over: Over) -> Expr:
    return _through_float(over("sum"), "log")


def _through_float(value: Expr, name: str) -> Expr:
    wide = value.dtype if value.dtype.is_float else DType.F64
    return cast(unary(name, cast(value, wide)), value.dtype)


@_reduction("ReduceLogSumExp")
def reduce_log_sum_exp(over: Over) -> Expr:
    """m + log(sum(exp(x - m))), m the finite maximum"""
    top = over("max")
    if not top.dtype.is_float:
        return cast(unary("log", over("sum", lambda v: unary("exp", cast(v, DType.F64)))), top.dtype)
    top = where(unary("isinf", top), const(0, top.dtype), top)
    return unary("log", over("sum", lambda v: unary("exp", v - top))) + top


def _arg(node: NodeView, kind: str) -> Compute:
    """The first (or last) position of the extreme; a NaN counts as the extreme."""
    x = node.tensor(0)
    a = axis_in(node.attr("axis", 0), x.rank)
    keep, last = bool(node.attr("keepdims", 1)), node.attr("select_last_index", 0)
    extent = x.shape[a]

    def body(i: Index) -> Expr:
        full = expand_index(i, (a,), x.rank, keep)
        best = reduce_over(x, (a,), full, kind, _same)
        run = fresh_axis(extent)
        value = x[place(full, {a: run})]
        found = binary("eq", value, best)
        if x.dtype.is_float:
            found = binary("or", found, unary("isnan", value))
        return reduce("max" if last else "min", (run,), where(found, axis(run), -1 if last else extent))

    return Compute(DType.I64, reduced_shape(x.shape, (a,), keep), body)


@operator("ArgMax")
def arg_max(node: NodeView) -> Compute:
    return _arg(node, "max")


@operator("ArgMin")
def arg_min(node: NodeView) -> Compute:
    return _arg(node, "min")


def _softmax_axes(node: NodeView, x: Tensor) -> tuple[int, ...]:
    """One axis; before opset 13 all axes from it on."""
    if 0 < node.opset < 13:
        return tuple(range(axis_in(node.attr("axis", 1), x.rank), x.rank))
    return (axis_in(node.attr("axis", -1), x.rank),) if x.rank else ()


def _top_and_total(x: Tensor, axes: tuple[int, ...], i: Index) -> tuple[Expr, Expr]:
    """m = max(x), and sum(exp(x - m)), which cannot overflow."""
    top = reduce_over(x, axes, i, "max", _same)
    return top, reduce_over(x, axes, i, "sum", lambda v: unary("exp", v - top))


@operator("Softmax")
def softmax(node: NodeView) -> Compute:
    """exp(x - m) / sum(exp(x - m)), m = max(x)"""
    x = node.tensor(0)
    axes = _softmax_axes(node, x)

    def body(i: Index) -> Expr:
        top, total = _top_and_total(x, axes, i)
        return unary("exp", x[i] - top) / total

    return Compute(x.dtype, x.shape, body)


@operator("LogSoftmax")
def log_softmax(node: NodeView) -> Compute:
    """x - m - log(sum(exp(x - m))), m = max(x)"""
    x = node.tensor(0)
    axes = _softmax_axes(node, x)

    def body(i: Index) -> Expr:
        top, total = _top_and_total(x, axes, i)
        return x[i] - top - unary("log", total)

    return Compute(x.dtype, x.shape, body)


@operator("Hardmax")
def hardmax(node: NodeView) -> Compute:
    """1 at the first maximum, 0 elsewhere"""
    x = node.tensor(0)
    a = axis_in(node.attr("axis", -1), x.rank)

    def body(i: Index) -> Expr:
        best = reduce_over(x, (a,), i, "max", _same)
        run = fresh_axis(x.shape[a])
        found = binary("eq", x[place(i, {a: run})], best)
        first = reduce("min", (run,), where(found, axis(run), x.shape[a]))
        return where(binary("eq", first, i[a]), const(1, x.dtype), const(0, x.dtype))

    return Compute(x.dtype, x.shape, body)


def _running(node: NodeView, kind: str, neutral: int) -> Compute:
    """Over the elements before (or after, if reversed) each one; itself included unless exclusive."""
    x = node.tensor(0)
    a = axis_in(int(elements_of(node.tensor(1), node.op_type)[0]), x.rank)
    extent = x.shape[a]
    if isinstance(extent, int) and extent > LONGEST_RUN:
        raise Undefined(f"{node.op_type} along {extent} elements")  # every element sums those before it
    comparison = ("ge" if node.attr("reverse", 0) else "le") if not node.attr("exclusive", 0) else None
    comparison = comparison or ("gt" if node.attr("reverse", 0) else "lt")

    def body(i: Index) -> Expr:
        run = fresh_axis(x.shape[a])
        counts = binary(comparison, axis(run), i[a])
        return reduce(kind, (run,), where(counts, x[place(i, {a: run})], const(neutral, x.dtype)))

    return Compute(x.dtype, x.shape, body)


@operator("CumSum")
def cumulative_sum(node: NodeView) -> Compute:
    return _running(node, "sum", 0)


@operator("CumProd")
def cumulative_product(node: NodeView) -> Compute:
    return _running(node, "prod", 1)
