"""What quantised graphs need: products that are rounded before they are added, zero points of integer products, codes.

sum of (x - zero) * w  =  sum of x * w  -  zero * sum of w,  modulo 2^32: the kernel multiplies plain bytes, and its
epilogue subtracts the second sum. w has lost its own zero point at build. The pads of an image are its zero point.

A fused multiply-add rounds once where the model rounds twice. The result is more exact, but a number near a tie may
then be quantised to the next integer: 11 of 16,384 elements of a u16 sum differ from ONNX Runtime's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from burnish.dims import Dim, product
from burnish.dtypes import DType
from burnish.kernels.blocks import Blocks
from burnish.kernels.codes import simplify_codes, with_values
from burnish.kernels.task import Kernel
from burnish.lower.buffers import Buffers, content, narrowest
from burnish.lower.placement import Placement
from burnish.lower.scope import Body, is_constant
from burnish.ops.broadcasting import broadcast_index
from burnish.ops.contraction import centred, dot, scale_at
from burnish.ops.few_bits import unpack_codes, zero_points
from burnish.ops.language import expr as ex
from burnish.ops.language.definition import Blocked, Conv, MatMul, Tensor
from burnish.ops.language.expr import Expr, axis, binary, fresh_axis, rebuild

Array = np.ndarray[Any, Any]
MOST_SCALES = 1 << 16
K = TypeVar("K", bound=Kernel)
MOST_CUTS = 4096  # entries of a table for each column


def round_products(root: Expr) -> Expr:
    """The expression with `unfused_mul` for each product of floats that is not summed by a reduction."""
    done: dict[int, Expr] = {}

    def visit(e: Expr) -> Expr:
        if e.op in ("load", "reduce") or not e.args:
            return e
        if id(e) not in done:
            args = tuple(map(visit, e.args))
            is_product = e.op == "mul" and e.dtype.is_float
            same = all(a is b for a, b in zip(args, e.args))
            done[id(e)] = binary("unfused_mul", *args) if is_product else e if same else rebuild(e, args)
        return done[id(e)]

    return visit(root)


def as_quantised(kernel: K, has_quotient: bool, placements: Sequence[Placement], constants: Mapping[int, Array]) -> K:
    """The kernel, with what it stores as `round_products` and `simplify_codes` have it. placements: its slots'."""
    largest = {}
    for n, placement in enumerate(placements):
        array = constants.get(placement.storage)
        if array is not None and array.dtype == np.float32 and 0 < array.size <= MOST_SCALES:
            largest[n] = float(np.abs(array).max())
    return with_values(kernel, lambda e, own: simplify_codes(round_products(e), has_quotient, own), largest)


def is_product(form: Conv | MatMul, has_integers: bool) -> bool:
    """Can the contraction template compute it? Of integers, only with weights that are known. has_integers: it can."""
    weight, zero = (form.b, form.b_zero) if isinstance(form, MatMul) else (form.weight, form.weight_zero)
    if weight.dtype.is_float:
        return True
    return has_integers and is_constant(weight) and (zero is None or is_constant(zero))


def weights_of(form: Conv | MatMul) -> Array:
    """The constant weights as they are multiplied: of integers without their zero point, in i8 if all of them fit."""
    weight, zero = (form.b, form.b_zero) if isinstance(form, MatMul) else (form.weight, form.weight_zero)
    array = content(weight)
    if weight.dtype.is_float:
        return array
    wide = array.astype(np.int16)
    if zero is not None:
        along = content(zero).astype(np.int16).reshape(-1)
        wide = wide - (along if isinstance(form, MatMul) else along.reshape(-1, *[1] * (array.ndim - 1)))
    fits = wide.min(initial=0) >= -128 and wide.max(initial=0) <= 127
    return wide.astype(np.int8) if fits else wide


def summands(weights: Array, lead: int, byte_tiles: bool) -> Array:
    """[lead axes.., reduce axes.., n], as they are multiplied. byte_tiles: in bytes if they fit.

    Weights of nine bits are sums of two bytes then: [lead axes.., 2, reduce axes.., n], one more axis to sum over,
    along which the data stay. That is twice the work, and bytes are multiplied many times faster than 16 bits.
    """
    if weights.dtype != np.int16 or not byte_tiles:
        return weights
    low, high = weights.min(initial=0), weights.max(initial=0)
    if low >= 0:
        return weights.astype(np.uint8)
    if low < -256 or high > 254:
        return weights
    first = np.clip(weights, -128, 127)
    return np.stack([first, weights - first], axis=lead).astype(np.int8)


def without_zero(form: Conv | MatMul, total: Expr, index: Sequence[Expr], buffers: Buffers) -> Expr:
    """The sum of raw data, and then without its zero point. index: of a convolution's channel, or (row, batch.., n)."""
    zero = form.a_zero if isinstance(form, MatMul) else form.x_zero
    if zero is None:
        return total
    weight = form.b if isinstance(form, MatMul) else form.weight
    sums = _sums_of_weights(form)
    key, name, at = (weight, *_zeros(form), "sums"), weight.name + "/sums", list(index)[-sums.ndim :]
    known = content(zero).reshape(-1) if is_constant(zero) else None
    if known is not None and known.size == 1:
        if not known.any():
            return total
        kept = buffers.constant((*key, "times zero"), sums * np.int32(known[0]), name)
        return total - ex.load(kept, kept.dtype, at)
    kept = buffers.constant(key, sums, name)
    factor = zero[(0,) * zero.rank]
    if isinstance(form, MatMul):
        factor = scale_at(zero, index[0], form.shape[-2])
    return total - ex.cast(factor, DType.I32) * ex.load(kept, kept.dtype, at)


def without_zero_inside(form: Conv, total: Expr, index: Sequence[Expr], buffers: Buffers) -> Expr:
    """As `without_zero`, where zeros pad the image, not its zero point: only the taps inside the image have one.

    index: of the result, [image, channel, pixel...]. The sums of those taps' weights lie in a table, by the number of
    taps that the image's ends cut off before and after the others, along each axis.
    """
    if form.x_zero is None or pad_of(form) == 0:
        return total
    sums = _sums_of_taps(form)
    at: list[Expr] = []
    for a, (most, y) in enumerate(zip(_most_cut(form), index[2:], strict=True)):
        first = y * form.strides[a] - form.pads_begin[a]
        taps, step = int(form.weight.shape[2 + a]), form.dilations[a]  # type: ignore[arg-type]
        beyond = (0 - first, first + ex.dim((taps - 1) * step + 1 - form.x.shape[2 + a]))
        at += [_steps_of(e, step) if n else ex.const(0, DType.I64) for e, n in zip(beyond, most)]
    known = pad_of(form)
    key = (form.weight, *_zeros(form), "sums of taps", form.pads_begin, form.pads_end, form.dilations)
    array = sums if known is None else sums * np.int32(known)
    kept = buffers.constant((*key, known), array, form.weight.name + "/sums")
    table = ex.load(kept, kept.dtype, [*at, index[1]])
    if known is not None:
        return total - table
    return total - ex.cast(form.x_zero[(0,) * form.x_zero.rank], DType.I32) * table


def is_padded_in_memory(form: Conv, in_kernel: bool) -> bool:
    """Must a copy of the image have its pads around it? in_kernel: kernels read zeros there."""
    if pad_of(form) == 0 or max((*form.pads_begin, *form.pads_end)) <= 0:
        return False
    if in_kernel:  # there are no tables of computed weights, nor of too many ways to cut taps off
        return (
            not is_constant(form.weight)
            or math.prod((low + 1) * (high + 1) for low, high in _most_cut(form)) > MOST_CUTS
        )
    return pad_of(form) is None


def _most_cut(form: Conv) -> list[tuple[int, int]]:
    """The most taps that lie before, and after, the image along each axis."""
    pads = zip(form.pads_begin, form.pads_end, form.dilations, strict=True)
    return [(-(-low // step), -(-high // step)) for low, high, step in pads]


def _steps_of(distance: Expr, step: int) -> Expr:
    """How many steps cover a distance; 0 if it is negative."""
    positive = binary("max", distance, 0)
    return positive if step == 1 else binary("floordiv", positive + (step - 1), step)


def _sums_of_taps(form: Conv) -> Array:
    """[cut before, cut after, (of the next axis) ..., column]: sums of w without its zero point, modulo 2^32."""
    array, zero = content(form.weight).astype(np.int32), _zeros(form)[1]
    if zero is not None:
        array = array - content(zero).astype(np.int32).reshape(-1, *[1] * (array.ndim - 1))
    sums = array.sum(1, dtype=np.int32)  # [column, taps...]
    for before, after in _most_cut(form):
        parts = [
            [sums[:, low : max(sums.shape[1] - high, 0)] for high in range(after + 1)] for low in range(before + 1)
        ]
        cut = np.stack([np.stack([p.sum(1, dtype=np.int32) for p in row], -1) for row in parts], -2)
        sums = cut
    return np.ascontiguousarray(np.moveaxis(sums, 0, -1))


def _sums_of_weights(form: Conv | MatMul) -> Array:
    """For each column, the sum of what the data are multiplied with, modulo 2^32: sum of w - depth * zero of w."""
    array, zero = content(form.b if isinstance(form, MatMul) else form.weight), _zeros(form)[1]
    summed = (-2,) if isinstance(form, MatMul) else tuple(range(1, array.ndim))
    sums: Array = array.sum(summed, dtype=np.int32)
    if zero is not None:
        sums = sums - np.int32(math.prod(array.shape[a] for a in summed)) * content(zero).astype(np.int32).reshape(-1)
    return sums


def _zeros(form: Conv | MatMul) -> tuple[Tensor | None, Tensor | None]:
    return (form.a_zero, form.b_zero) if isinstance(form, MatMul) else (form.x_zero, form.weight_zero)


def pad_of(form: Conv) -> int | None:
    """What pads the image: 0, or the zero point of integers; None where only a run tells it."""
    if form.x_zero is None:
        return 0
    return int(content(form.x_zero).reshape(-1)[0]) if is_constant(form.x_zero) else None


def padded_by_data(form: Conv) -> tuple[Conv, Tensor, Body]:
    """The convolution without pads, of a larger image, and what that image holds: the pads from the zero point."""
    assert form.x_zero is not None
    pads = [(0, 0), (0, 0), *zip(form.pads_begin, form.pads_end)]
    shape = tuple(n + low + high for n, (low, high) in zip(form.x.shape, pads))
    image = Tensor(form.x.name + "/padded", form.x.dtype, shape)
    axes = tuple(fresh_axis(n, "a") for n in shape)
    places, value = [], form.x_zero[(0,) * form.x_zero.rank]
    tests: list[Expr] = []
    for a, n, (low, high) in zip(axes, form.x.shape, pads):
        places.append(_inside(axis(a) - low, n, (low, high), tests))
    inside = form.x[places]
    for test in tests:
        inside = ex.where(test, inside, value)
    none = (0,) * len(form.pads_begin)
    return replace(form, x=image, pads_begin=none, pads_end=none), image, Body(axes, inside, False)


@dataclass(frozen=True)
class Computed:
    """A product of codes, of which only a run tells the second operand, or its zero points.

    form   the product of raw codes, without zero points; the second operand is signed, if its codes are bytes
    made   tensors that a run computes first, each with how
    rest   the raw sum, its index, and its group -> the sum without zero points
    """

    form: MatMul | Conv
    made: list[tuple[Tensor, Body]]
    rest: Callable[[Expr, Sequence[Expr], Expr], Expr]

    def order_of(self, operand: Tensor) -> tuple[int, ...]:
        """How one of `made` lies in memory: weights of a convolution as the kernel walks the image."""
        axes = tuple(range(operand.rank))
        return (0, *axes[2:], 1) if isinstance(self.form, Conv) and operand is self.form.weight else axes


def computed_product(form: MatMul | Conv) -> Computed:
    """sum of (x - zx) (w - zw)  =  sum of x w  -  zx * (sum of w - depth * zw)  -  zw * sum of x,  modulo 2^32."""
    made: list[tuple[Tensor, Body]] = []
    is_matmul = isinstance(form, MatMul)
    own = form.b if isinstance(form, MatMul) else form.weight
    weight, (of_data, of_weight) = _signed(own, is_matmul, made), _zeros(form)
    rows, columns = (form.shape[-2], form.shape[-1]) if is_matmul else (1, form.shape[1])
    zero_x, zero_w = _zero_at(of_data, rows, 0), _zero_at(of_weight, columns, 128 if own.dtype is DType.U8 else 0)
    sums_x = None if zero_w is None else _sums_of_data(form, made)
    sums_w = None if zero_x is None else _sums_of_columns(weight, is_matmul, made)
    depth = weight.shape[-2] if is_matmul else product(weight.shape[1:])

    def rest(total: Expr, index: Sequence[Expr], group: Expr) -> Expr:
        of_w, of_x, row, column = [index[1]], [index[0], group, *index[2:]], index[0], index[1]
        if isinstance(form, MatMul):
            *batch, row, column = index
            of_w = [*broadcast_index(form.b.shape[:-2], batch, form.shape[:-2]), column]
            of_x = [*broadcast_index(form.a.shape[:-2], batch, form.shape[:-2]), row]
        if zero_x is not None and sums_w is not None:
            sums = sums_w[of_w]
            if zero_w is not None:
                sums = sums - ex.cast(ex.dim(depth), DType.I32) * zero_w(column)
            total = total - zero_x(row) * sums
        if zero_w is not None and sums_x is not None:
            total = total - zero_w(column) * sums_x[of_x]
        return total

    if isinstance(form, MatMul):
        return Computed(replace(form, b=weight, a_zero=None, b_zero=None), made, rest)
    return Computed(replace(form, weight=weight, weight_zero=None), made, rest)


def _signed(codes: Tensor, is_matmul: bool, made: list[tuple[Tensor, Body]]) -> Tensor:
    """The second operand in i8, less 128 if it is in u8. Of a convolution it is made anew, in an order of ours."""
    is_unsigned, name = codes.dtype is DType.U8, f"{codes.name}/signed"
    if not is_unsigned and (is_matmul or is_constant(codes)):
        return codes
    if is_constant(codes):
        return Tensor(name, DType.I8, codes.shape, array=(content(codes).astype(np.int16) - 128).astype(np.int8))
    return _made(made, name, DType.I8, codes.shape, lambda at: ex.cast(codes[at], DType.I32) - 128 * is_unsigned)


def _zero_at(zero: Tensor | None, extent: Dim, shift: int) -> Callable[[Expr], Expr] | None:
    """A zero point less `shift`, at an index of the axis of `extent`; None if all are 0."""
    if zero is None:
        return (lambda at: ex.const(-shift, DType.I32)) if shift else None
    if is_constant(zero) and (content(zero) == shift).all():
        return None
    return lambda at: ex.cast(scale_at(zero, at, extent), DType.I32) - shift


def _sums_of_columns(weight: Tensor, is_matmul: bool, made: list[tuple[Tensor, Body]]) -> Tensor:
    """For each column, or each output channel, the sum of its codes."""
    name, summed = f"{weight.name}/sums", (weight.rank - 2,) if is_matmul else tuple(range(1, weight.rank))
    kept = [a for a in range(weight.rank) if a not in summed]
    shape = tuple(weight.shape[a] for a in kept)
    if is_constant(weight):
        return Tensor(name, DType.I32, shape, array=content(weight).sum(summed, dtype=np.int32))
    over = {a: fresh_axis(weight.shape[a], "r") for a in summed}

    def value(at: Sequence[Expr]) -> Expr:
        places = dict(zip(kept, at)) | {a: axis(x) for a, x in over.items()}
        codes = weight[[places[a] for a in range(weight.rank)]]
        return ex.reduce("sum", tuple(over.values()), ex.cast(codes, DType.I32))

    return _made(made, name, DType.I32, shape, value)


def _sums_of_data(form: MatMul | Conv, made: list[tuple[Tensor, Body]]) -> Tensor:
    """For each row, or for each group and pixel, the sum of the codes that are multiplied; pads are the zero point."""
    if isinstance(form, MatMul):
        a, k = form.a, fresh_axis(form.a.shape[-1], "r")

        def row(at: Sequence[Expr]) -> Expr:
            return ex.reduce("sum", (k,), ex.cast(a[[*at, axis(k)]], DType.I32))

        return _made(made, f"{a.name}/sums", DType.I32, a.shape[:-1], row)
    x, conv = form.x, form
    channel, taps = fresh_axis(conv.weight.shape[1], "r"), [fresh_axis(n, "r") for n in conv.weight.shape[2:]]

    def window(at: Sequence[Expr]) -> Expr:
        image, group, *pixels = at
        source, tests = [image, group * conv.weight.shape[1] + axis(channel)], list[Expr]()
        steps = zip(pixels, taps, conv.strides, conv.dilations, conv.pads_begin, conv.pads_end, x.shape[2:])
        for pixel, tap, stride, dilation, low, high, extent in steps:
            place = pixel * stride + axis(tap) * dilation - low
            source.append(_inside(place, extent, (low, high), tests))
        value = ex.cast(x[source], DType.I32)
        zero = ex.const(0, DType.I32)
        if conv.x_zero is not None:
            zero = ex.cast(conv.x_zero[(0,) * conv.x_zero.rank], DType.I32)
        for test in tests:
            value = ex.where(test, value, zero)
        return ex.reduce("sum", (channel, *taps), value)

    shape = (conv.shape[0], conv.groups, *conv.shape[2:])
    return _made(made, f"{x.name}/sums", DType.I32, shape, window)


def _made(
    made: list[tuple[Tensor, Body]],
    name: str,
    dtype: DType,
    shape: Sequence[Dim],
    value: Callable[[Sequence[Expr]], Expr],
) -> Tensor:
    """A tensor that a run computes. value: its element at an index."""
    axes = tuple(fresh_axis(n, "a") for n in shape)
    result = Tensor(name, dtype, tuple(shape))
    made.append((result, Body(axes, ex.cast(value([axis(a) for a in axes]), dtype), False)))
    return result


def _inside(place: Expr, extent: Dim, pads: tuple[int, int], tests: list[Expr]) -> Expr:
    """The nearest place that lies on an axis. tests: gets what says that `place` lies there itself."""
    if pads == (0, 0):
        return place
    tests += [binary("ge", place, 0), binary("lt", place, extent)]
    return binary("max", binary("min", place, ex.dim(extent - 1)), 0)


def matmul_body(form: MatMul, index: Sequence[Expr]) -> Expr:
    """The value at an output index, for loops."""
    of_a, of_b = centred(form.a, form.a_zero, -2), centred(form.b, form.b_zero, -1)
    return dot(form.a, form.b, index, form.shape, of_a, of_b)


def place_blocks(form: Blocked, name: str, depth: int, buffers: Buffers) -> tuple[list[Placement], Blocks]:
    """Where B's codes [k, n], scales [blocks, n] and zero points lie, in slots 1, 2 and 3, and how they are read."""
    packed = content(form.codes)
    columns, blocks = packed.shape[:2]
    codes = unpack_codes(packed.reshape(columns, -1), form.bits)[:, :depth].T
    scale = narrowest(content(form.scale).reshape(columns, blocks), least=0)
    zero = _zero_points(form, columns, blocks)
    middle = 1 << (form.bits - 1)
    if zero is None:
        codes = codes ^ np.uint8(middle)
    parts = [("codes", codes), ("scales", scale.T), ("zeros", None if zero is None else zero.T)]
    key = (form.codes, form.scale, form.zero)
    placed = [buffers.constant((*key, part), a, f"{name}/{part}") for part, a in parts if a is not None]
    return placed, Blocks(form.size, form.bits, 2, None if zero is None else 3)


def _zero_points(form: Blocked, columns: int, blocks: int) -> Array | None:
    """[n, blocks] in the narrowest dtype that holds them; None if all are the middle of the codes."""
    if form.zero is None:
        return None
    zero = zero_points(content(form.zero), form.bits, columns, blocks)
    if zero.dtype != np.uint8:
        is_whole = (zero == np.rint(zero)).all() and zero.min(initial=0) >= 0 and zero.max(initial=0) < 1 << form.bits
        zero = zero.astype(np.uint8) if is_whole else narrowest(zero, least=0)
    return None if (zero == 1 << (form.bits - 1)).all() else zero
