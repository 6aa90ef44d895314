"""Sums of products: MatMul, Gemm, Einsum, and the integer and quantized products.

Products of floats and of 8-bit integers have their own template; the others are plain reductions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.ops.agreement import agree, agree_all, agree_at, scalar
from burnish.ops.broadcasting import broadcast_index, broadcast_load, broadcast_shapes, spread
from burnish.ops.language.definition import Compute, Index, MatMul, NodeView, Shape, Tensor
from burnish.ops.language.expr import Expr, axis, cast, const, dim, fresh_axis, reduce
from burnish.ops.pointwise import fold
from burnish.ops.quantize import requantize
from burnish.ops.registry import Misfit, Undefined, operator

Convert = Callable[[Sequence[Expr]], Expr]


@operator("MatMul")
def matmul(node: NodeView) -> MatMul | Compute:
    a, b = node.tensor(0), node.tensor(1)
    shape = matmul_shape(a, b)
    if a.dtype.is_float and a.rank > 1 and b.rank > 1 and 0 not in (a.shape[-1], b.shape[-2]):
        return MatMul(a, b, None, shape, DType.F32 if a.dtype is DType.F8E4M3 else a.dtype)
    return Compute(a.dtype, shape, lambda i: dot(a, b, i, shape))


def matmul_shape(a: Tensor, b: Tensor) -> Shape:
    """numpy's: a vector on the left is a row, on the right a column, and its axis is dropped."""
    if not a.rank or not b.rank:
        raise Misfit("a scalar")
    agree_at(a, -1, b, max(b.rank - 2, 0))
    rows: Shape = a.shape[-2:-1]
    columns: Shape = b.shape[-1:] if b.rank > 1 else ()
    return (*broadcast_shapes(a.shape[:-2], b.shape[:-2]), *rows, *columns)


def dot(
    a: Tensor, b: Tensor, index: Index, shape: Shape, of_a: Convert | None = None, of_b: Convert | None = None
) -> Expr:
    """The sum over k, written out; `of_a` and `of_b` convert the factors (at their index) first."""
    k = fresh_axis(agree_at(a, -1, b, max(b.rank - 2, 0)))
    matrix_axes = min(a.rank - 1, 1) + min(b.rank - 1, 1)
    batch = index[: len(index) - matrix_axes]
    rest = list(index[len(batch) :])
    row = rest[:1] if a.rank > 1 else []
    column = rest[-1:] if b.rank > 1 else []
    outer = shape[: len(batch)]
    at_a = [*_batch(a, batch, outer), *row, axis(k)]
    at_b = [*_batch(b, batch, outer), axis(k), *column]
    left = of_a(at_a) if of_a else a[at_a]
    right = of_b(at_b) if of_b else b[at_b]
    return reduce("sum", (k,), left * right)


def _batch(x: Tensor, index: Index, shape: Shape) -> list[Expr]:
    return list(broadcast_index(x.shape[:-2], index, shape))


@operator("Gemm")
def gemm(node: NodeView) -> MatMul | Compute:
    """alpha * op(a) @ op(b) + beta * c"""
    a, b, c = node.tensor(0), node.tensor(1), node.optional(2)
    turn_a, turn_b = bool(node.attr("transA", 0)), bool(node.attr("transB", 0))
    alpha, beta = float(node.attr("alpha", 1.0)), float(node.attr("beta", 1.0))
    c = None if beta == 0 else c  # not read, as it may be infinite
    shape = (a.shape[1 if turn_a else 0], b.shape[0 if turn_b else 1])
    inner = agree_at(a, 0 if turn_a else 1, b, 1 if turn_b else 0)
    if c is not None:
        agree_all(c.shape, shape, "C and the product", "stretch")
    if a.dtype.is_float and inner != 0:
        return MatMul(a, b, c, shape, a.dtype, turn_a, turn_b, alpha, beta)

    def body(i: Index) -> Expr:
        k = fresh_axis(inner)
        left = a[(axis(k), i[0]) if turn_a else (i[0], axis(k))]
        right = b[(i[1], axis(k)) if turn_b else (axis(k), i[1])]
        total = reduce("sum", (k,), left * right)
        result = _scaled(total, alpha)
        return result if c is None else result + _scaled(broadcast_load(c, i, shape), beta)

    return Compute(a.dtype, shape, body)


def _scaled(value: Expr, factor: float) -> Expr:
    return value if factor == 1 else cast(cast(value, DType.F64) * factor, value.dtype)


@operator("MatMulInteger")
def matmul_integer(node: NodeView) -> MatMul | Compute:
    """i32 sums of (a - zero) * (b - zero); zero points per tensor, per row of a, per column of b"""
    a, b, a_zero, b_zero = node.tensor(0), node.tensor(1), node.optional(2), node.optional(3)
    shape = matmul_shape(a, b)
    of_a, of_b = centred(a, a_zero, -2), centred(b, b_zero, -1)
    if a.rank > 1 and b.rank > 1 and 0 not in (a.shape[-1], b.shape[-2]):
        return MatMul(a, b, None, shape, DType.I32, a_zero=a_zero, b_zero=b_zero)
    return Compute(DType.I32, shape, lambda i: dot(a, b, i, shape, of_a, of_b))


@operator("QLinearMatMul")
def quantized_matmul(node: NodeView) -> Compute:
    a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero = (node.tensor(i) for i in range(8))
    shape = matmul_shape(a, b)
    of_a, of_b = centred(a, a_zero, -2), centred(b, b_zero, -1)
    if y_scale.rank > 1 or (y_scale.rank == 1 and y_scale.shape[0] != 1):
        raise Undefined("QLinearMatMul with a scale per row of the result")
    rows, columns = a.shape[-2] if a.rank > 1 else 1, b.shape[-1] if b.rank > 1 else 1
    claim_scale(a_scale, rows)
    claim_scale(b_scale, columns)
    scale, zero = scalar(y_scale), scalar(y_zero)

    def body(i: Index) -> Expr:
        total = cast(dot(a, b, i, shape, of_a, of_b), DType.F32)
        rest = list(i[len(i) - min(a.rank - 1, 1) - min(b.rank - 1, 1) :])
        row = scale_at(a_scale, rest[0] if a.rank > 1 else const(0, DType.I64), rows)
        column = scale_at(b_scale, rest[-1] if b.rank > 1 else const(0, DType.I64), columns)
        factor = cast(row, DType.F32) * cast(column, DType.F32) / cast(scale, DType.F32)
        return requantize(total * factor, zero, y_zero.dtype)

    return Compute(y_zero.dtype, shape, body)


def scale_at(scale: Tensor, index: Expr, extent: Dim) -> Expr:
    """A scale (or zero point) per tensor, or per row (column) of an axis of this extent."""
    if scale.rank > 1:
        raise Undefined(f"a scale of rank {scale.rank}")
    return scale[()] if not scale.rank else scale[(index * dim(spread(scale.shape[0], extent)),)]


def claim_scale(scale: Tensor | None, extent: Dim) -> None:
    """That a scale (or zero point) fits an axis of this extent."""
    if scale is not None and scale.rank == 1:
        agree(scale.shape[0], extent, f"'{scale.name}' and the axis it scales", "stretch")


def centred(x: Tensor, zero_point: Tensor | None, along: int) -> Convert:
    """x - zero_point in i32, at an index of x; a vector of zero points runs along the given axis of a matrix x."""
    is_matrix = x.rank > 1  # a vector is one row, or one column

    def at(index: Sequence[Expr]) -> Expr:
        value = cast(x[index], DType.I32)
        if zero_point is None:
            return value
        place, extent = (index[along], x.shape[along]) if is_matrix else (const(0, DType.I64), 1)
        return value - cast(scale_at(zero_point, place, extent), DType.I32)

    if zero_point is not None and zero_point.rank > 1:
        raise Undefined(f"a zero point of rank {zero_point.rank}")
    claim_scale(zero_point, x.shape[along] if is_matrix else 1)
    return at


@operator("Einsum")
def einsum(node: NodeView) -> Compute:
    """One product of loads, summed over the letters that the output lacks."""
    operands = [node.tensor(i) for i in range(len(node.inputs))]
    terms, output = _equation(node.attr("equation"), operands)
    extents: dict[str, Dim] = {}
    for term, x in zip(terms, operands):
        if len(term) != x.rank:
            raise Misfit(f"'{term}' for a tensor of rank {x.rank}")
        for letter, extent in zip(term, x.shape):
            extents[letter] = broadcast_shapes((extents.get(letter, 1),), (extent,))[0]
    summed = [letter for letter in extents if letter not in output]

    def body(i: Index) -> Expr:
        over = {letter: fresh_axis(extents[letter]) for letter in summed}
        at = {**dict(zip(output, i)), **{letter: axis(r) for letter, r in over.items()}}
        shapes = [tuple(extents[letter] for letter in term) for term in terms]
        loads = [broadcast_load(x, [at[c] for c in term], shape) for x, term, shape in zip(operands, terms, shapes)]
        return reduce("sum", tuple(over.values()), fold("mul", tuple(loads)))

    return Compute(operands[0].dtype, tuple(extents[letter] for letter in output), body)


def _equation(text: str, operands: Sequence[Tensor]) -> tuple[list[str], str]:
    """Terms and output; an ellipsis becomes capital-digit letters, aligned at its end."""
    left, arrow, output = text.replace(" ", "").partition("->")
    terms = left.split(",")
    if len(terms) != len(operands):
        raise Misfit(f"{len(terms)} terms for {len(operands)} inputs")
    widths = [x.rank - len(t.replace("...", "")) for t, x in zip(terms, operands) if "..." in t]
    dots = "".join(chr(ord("0") + n) for n in range(max(widths, default=0)))
    letters = left.replace(",", "").replace("...", "")
    expanded = [
        t.replace("...", dots[len(dots) - (x.rank - len(t) + 3) :]) if "..." in t else t
        for t, x in zip(terms, operands)
    ]
    if not arrow:
        output = "..." * bool(dots) + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    return expanded, output.replace("...", dots)
