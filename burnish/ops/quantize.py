"""Convert between floats and the integers that represent them.    x = (q - zero_point) * scale

Scales are per tensor, per axis, or per block of an axis. Rounding is half to even; values that do not fit saturate.
"""

from __future__ import annotations

from collections.abc import Callable

from burnish.dims import ceildiv
from burnish.dtypes import DType
from burnish.ops.agreement import agree
from burnish.ops.arguments import axis_in
from burnish.ops.broadcasting import spread
from burnish.ops.language.definition import Compute, Index, NodeView, Tensor
from burnish.ops.language.expr import Expr, axis, binary, cast, const, dim, fresh_axis, reduce, unary, where
from burnish.ops.registry import Misfit, Undefined, operator

FLOAT8_MOST = 448.0


def limits(dtype: DType) -> tuple[int, int]:
    """The smallest and the largest integer of the dtype."""
    bits = dtype.size_bytes * 8
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if dtype.is_signed else (0, (1 << bits) - 1)


def requantize(value: Expr, zero_point: Expr | None, dtype: DType) -> Expr:
    """saturate(round(value) + zero_point)

    The bounds are integers, so what saturates may do so before it is rounded: then the rounded value fits an integer of
    32 bits, to which the zero point is added. A NaN becomes the lowest number, as in ONNX Runtime.
    """
    low, high = limits(dtype)
    if dtype.size_bytes == 4:  # floats do not hold its bounds, nor the sum
        rounded = unary("round", value)
        if zero_point is not None:
            rounded = rounded + cast(zero_point, value.dtype)
        return cast(where(binary("ge", rounded, low), binary("min", rounded, high), low), dtype)
    zero = const(0, DType.I32) if zero_point is None else cast(zero_point, DType.I32)
    least, most = cast(low - zero, value.dtype), cast(high - zero, value.dtype)
    inside = binary("min", where(binary("gt", value, least), value, least), most)
    return cast(cast(unary("round", inside), DType.I32) + zero, dtype)


def float8(value: Expr) -> Expr:
    """The nearest float8 (e4m3), ties to even; what is beyond the largest, 448, becomes it; a NaN stays one."""
    inside = binary("min", binary("max", value, -FLOAT8_MOST), FLOAT8_MOST)
    return cast(unary("round_f8e4m3", inside), DType.F8E4M3)


def _without_zero(node: NodeView, zero_point: Tensor | None) -> None:
    """Undefined unless float8 saturates and its zero point is 0."""
    if node.attr("saturate", 1) != 1:
        raise Undefined(f"{node.op_type} to float8 that does not saturate")
    known = None if zero_point is None else zero_point.elements
    if zero_point is not None and (known is None or any(e != 0 for e in known)):
        raise Undefined(f"{node.op_type} of float8 with a zero point")


def parameter(node: NodeView, x: Tensor, tensor: Tensor, default_axis: int = 1) -> Callable[[Index], Expr]:
    """A scale or zero point at the index of x: one element, one per `axis`, or one per block of it."""
    if tensor.rank == 0 or (tensor.rank == 1 and tensor.shape[0] == 1):
        return lambda i: tensor[(0,) * tensor.rank]
    a = axis_in(node.attr("axis", default_axis), x.rank)
    block = node.attr("block_size", 0)
    if tensor.rank == 1 and not block:
        agree(tensor.shape[0], x.shape[a], f"'{tensor.name}' and axis {a} of '{x.name}'", "stretch")
        return lambda i: tensor[(i[a] * dim(spread(tensor.shape[0], x.shape[a])),)]
    if tensor.rank != x.rank or not block:
        how = f"blocks of '{x.name}', of rank {x.rank}" if block else "a tensor without block_size"
        raise Misfit(f"'{tensor.name}' of rank {tensor.rank} for {how}")
    for n in range(x.rank):
        blocks = ceildiv(x.shape[n], block) if n == a else x.shape[n]
        agree(tensor.shape[n], blocks, f"axis {n} of '{tensor.name}' and the blocks of '{x.name}'")
    return lambda i: tensor[[v // dim(block) if n == a else v for n, v in enumerate(i)]]


def supported(node: NodeView, *dtypes: DType) -> None:
    """Undefined unless every dtype is an integer of at most 32 bits."""
    for dtype in dtypes:
        if not dtype.is_integer or dtype.size_bytes > 4:
            raise Undefined(f"{node.op_type} of {dtype.value}")


@operator("QuantizeLinear")
def quantize_linear(node: NodeView) -> Compute:
    x, scale, zero_point = node.tensor(0), node.tensor(1), node.optional(2)
    number = node.attr("output_dtype", 0)
    if zero_point is None and number:
        try:
            dtype = DType.from_onnx(number)
        except KeyError:
            raise Undefined(f"QuantizeLinear to ONNX's element type {number}") from None
    else:
        dtype = DType.U8 if zero_point is None else zero_point.dtype
    wide = DType.F64 if x.dtype is DType.F64 else DType.F32
    scale_at = parameter(node, x, scale)
    if dtype is DType.F8E4M3:
        _without_zero(node, zero_point)
        return Compute(dtype, x.shape, lambda i: float8(cast(cast(x[i], wide) / cast(scale_at(i), wide), DType.F32)))
    supported(node, dtype)
    zero_at = None if zero_point is None else parameter(node, x, zero_point)

    def body(i: Index) -> Expr:
        quotient = cast(x[i], wide) / cast(scale_at(i), wide)
        return requantize(quotient, None if zero_at is None else zero_at(i), dtype)

    return Compute(dtype, x.shape, body)


@operator("DequantizeLinear")
def dequantize_linear(node: NodeView) -> Compute:
    x, scale, zero_point = node.tensor(0), node.tensor(1), node.optional(2)
    if x.dtype is DType.F8E4M3:
        _without_zero(node, zero_point)
        zero_point = None
    else:
        supported(node, x.dtype)
    number = node.attr("output_dtype", 0)
    dtype = DType.from_onnx(number) if number else scale.dtype
    wide = DType.F64 if dtype is DType.F64 else DType.F32
    scale_at = parameter(node, x, scale)
    zero_at = None if zero_point is None else parameter(node, x, zero_point)

    def body(i: Index) -> Expr:
        value = cast(x[i], DType.F32 if x.dtype.is_float else DType.I32)
        if zero_at is not None:
            value = value - cast(zero_at(i), DType.I32)
        # not fused into the sum after it: that would round once where the model rounds twice
        return cast(binary("unfused_mul", cast(value, wide), cast(scale_at(i), wide)), dtype)

    return Compute(dtype, x.shape, body)


@operator("DynamicQuantizeLinear")
def dynamic_quantize_linear(node: NodeView) -> tuple[Compute, Compute, Compute]:
    """u8 over the range of x, widened to hold 0; also its scale and zero point."""
    x = node.tensor(0)

    def extreme(kind: str) -> Expr:
        run = tuple(fresh_axis(d) for d in x.shape)
        return binary(kind, reduce(kind, run, x[[axis(r) for r in run]]), 0)

    def scale() -> Expr:
        width = extreme("max") - extreme("min")
        return where(binary("eq", width, 0), const(1, x.dtype), width / 255)

    def zero_point() -> Expr:
        return requantize(-(extreme("min") / scale()), None, DType.U8)

    def body(i: Index) -> Expr:
        return requantize(x[i] / scale(), zero_point(), DType.U8)

    y = Compute(DType.U8, x.shape, body)
    return y, Compute(x.dtype, (), lambda i: scale()), Compute(DType.U8, (), lambda i: zero_point())
