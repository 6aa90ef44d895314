"""Convolutions: implicit GEMM (a Contraction over pixels), or plain loops where channels do not mix.

contraction   A = the input in place, each pixel and tap an offset;  B = weights [group, taps and channels, out channel]
transposed    one contraction a phase: output y = stride*u + phase - pad takes the taps r = phase (mod stride)
loops         depthwise, and forms whose zeros cannot be in memory: an expression with bounds tests
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from burnish.dims import Dim
from burnish.dtypes import DType
from burnish.kernels.merge_axes import without_units
from burnish.kernels.task import Contraction, Term, Window
from burnish.lower.add_products import without_term
from burnish.lower.buffers import Buffers
from burnish.lower.epilogue import Place, store_of
from burnish.lower.kernels import Slots
from burnish.lower.matmul import accumulator
from burnish.lower.placement import Placement
from burnish.lower.quantised import (
    Computed,
    is_product,
    pad_of,
    summands,
    weights_of,
    without_zero,
    without_zero_inside,
)
from burnish.lower.scope import Body, is_constant
from burnish.lower.wants import needed_zeros
from burnish.ops.contraction import scale_at
from burnish.ops.language import expr as ex
from burnish.ops.language.definition import Conv, Tensor
from burnish.ops.language.expr import Axis, Expr, axis, fresh_axis


def is_depthwise(form: Conv) -> bool:
    """Does each group have one input channel and one output channel?"""
    return form.groups > 1 and form.weight.shape[1] == 1 and form.channels == form.shape[1] == form.groups


def is_deep(form: Conv) -> bool:
    """Are its channels best kept innermost, even if that needs a copy of the image?"""
    return is_depthwise(form) or int(form.channels) > 4 or not form.x.dtype.is_float  # type: ignore[arg-type]


def has_template(form: Conv, can_pad: bool, has_integers: bool = False, is_computed: bool = False) -> bool:
    """Whether the contraction template can compute it. Otherwise loops compute it. is_computed: as `Computed` has it"""
    if is_depthwise(form) or not can_pad:
        return False
    if not is_computed and not (is_constant(form.weight) and is_product(form, has_integers)):
        return False
    if any(p < 0 for p in (*form.pads_begin, *form.pads_end)):
        return False
    if not form.transposed:
        return True
    taps = [int(n) for n in form.weight.shape[2:]]  # type: ignore[arg-type]
    return all(d == 1 for d in form.dilations) and all(k >= s for k, s in zip(taps, form.strides))


@dataclass(frozen=True, slots=True)
class Phase:
    """One spatial axis: output = out_step*u + out_first reads input = in_step*u + in_first + tap_step*tap."""

    count: Dim
    taps: tuple[int, ...]
    out_step: int
    out_first: Dim
    in_step: int
    in_first: int
    tap_step: int


def phases(form: Conv) -> list[tuple[Phase, ...]]:
    """All combinations of phases of the spatial axes; a plain convolution has one."""
    each: list[list[Phase]] = []
    for a in range(len(form.strides)):
        taps, stride, pad, out = int(form.weight.shape[2 + a]), form.strides[a], form.pads_begin[a], form.shape[2 + a]  # type: ignore[arg-type]
        if not form.transposed:
            each.append([Phase(out, tuple(range(taps)), 1, 0, stride, -pad, form.dilations[a])])
            continue
        options = []
        for rest in range(stride):
            first = -(-(pad - rest) // stride)  # the smallest u with stride*u + rest - pad >= 0
            count = (out - 1 + pad - rest) // stride - first + 1
            chosen = tuple(range(rest, taps, stride))
            options.append(Phase(count, chosen, stride, stride * first + rest - pad, 1, first, -1))
        each.append(options)
    return [tuple(p) for p in itertools.product(*each) if all(x.count != 0 for x in p)]


def lower_convolution(
    tensor: Tensor,
    form: Conv,
    phase: tuple[Phase, ...],
    body: Body,
    x: Placement,
    into: Placement,
    buffers: Buffers,
    place: Place,
    in_kernel: bool,
    computed: Computed | None = None,
    weight: Placement | None = None,
) -> tuple[Contraction, Slots]:
    """Lower one phase. x: the input with zeros around it, or without them if the kernel supplies them itself.

    computed: how this is the convolution of raw codes, if a run tells its weights or their zero points
    weight: where the weights lie, if they are no constant
    """
    image, group, *pixels = _pixel_axes(form, phase)
    a, b, term = _operands(form, phase, x, buffers, in_kernel, weight)
    slots, n = Slots([a, b]), _column_axis(form)
    index = [axis(image), axis(group) * n.extent + axis(n)]
    index += [axis(q) * p.out_step + ex.dim(p.out_first) for q, p in zip(pixels, phase)]
    result = _result(form, index, buffers, in_kernel) if computed is None else _rest(form, index, axis(group), computed)
    store = store_of(tensor, body, index, result, into, place, slots)
    kernel = Contraction(
        slots.flat,
        _real_pixels(form, phase),
        n,
        term.reduce,
        term.a_strides,
        term.b_strides,
        term.packed,
        tuple(without_units([store], (image, group, *pixels))),
        term.windows,
    )
    return kernel, slots


def add_term(kernel: Contraction, slots: Slots, form: Conv, x: Placement, buffers: Buffers) -> Contraction:
    """The same kernel with the product of another convolution of the same output. `slots` gets its operands.

    Only for kernels that supply the zeros around images themselves. Floats are added to the first product's sum.
    """
    a, b, term = _operands(form, phases(form)[0], x, buffers, in_kernel=True)
    term = replace(term, a=slots.number(a), b=slots.number(b), total=0 if form.x.dtype.is_float else 1)
    return replace(kernel, slots=slots.flat, more=(*kernel.more, term))


def _operands(
    form: Conv,
    phase: tuple[Phase, ...],
    x: Placement,
    buffers: Buffers,
    in_kernel: bool,
    weight: Placement | None = None,
) -> tuple[Placement, Placement, Term]:
    """A, B, and how the kernel steps through them."""
    spatial, per_group_in = len(phase), int(form.channels) // form.groups  # type: ignore[arg-type]
    image, group, *pixels = _pixel_axes(form, phase)
    taps = [Axis(f"k{a}", len(phase[a].taps)) for a in range(spatial)]
    channel, n = Axis(f"k{spatial}", per_group_in), _column_axis(form)
    steps = x.strides[2:]
    reduce = _by_stride([(t, p.tap_step * s) for t, p, s in zip(taps, phase, steps)] + [(channel, x.strides[1])])
    a_strides = [(image, x.strides[0]), (group, per_group_in * x.strides[1])]
    a_strides += [(q, p.in_step * s) for q, p, s in zip(pixels, phase, steps)] + reduce
    padded = [in_kernel and zeros != (0, 0) for zeros in needed_zeros(form)]
    offset = x.offset
    for p, s, is_padded in zip(phase, steps, padded):
        offset = offset + (0 if is_padded else p.in_first * s)
    windows = [
        Window(_steps((q, p.in_step), (t, p.tap_step)), p.in_first, x.shape[2 + i], steps[i])
        for i, (q, t, p) in enumerate(zip(pixels, taps, phase))
        if padded[i]
    ]
    order = [r for r, _ in reduce]
    halves: list[Axis] = []
    if weight is None:
        weights = summands(_weights(form, phase, [*taps, channel], order), 1, buffers.byte_tiles)
        halves = [Axis("h0", 2)] if weights.ndim > len(order) + 2 else []
        how = tuple(r.name for r in order), tuple(p.taps for p in phase)
        b = buffers.packed((form.weight, form.weight_zero, "conv", *how), weights, form.weight.name)
        b_steps = list(zip([group, *halves, *order, n], b.strides))
    else:
        b, of_taps = weight, dict(zip([*taps, channel], (*weight.strides[2:], weight.strides[1])))
        per_group = n.extent * b.strides[0]
        b_steps = [(group, per_group), *((r, of_taps[r]) for r in order), (n, b.strides[0])]
    kept = halves + [r for r, _ in ([(r, s) for r, s in reduce if r.extent != 1] or reduce[-1:])]
    axes = (*_real_pixels(form, phase), *kept)
    b_strides = _strides(b_steps, (*axes, n))
    term = Term(0, 1, tuple(kept), _strides(a_strides, axes), b_strides, weight is None, tuple(windows))
    return Placement(x.storage, x.dtype, x.shape, x.strides, offset), b, term


def _pixel_axes(form: Conv, phase: tuple[Phase, ...]) -> list[Axis]:
    """Image, group, and the spatial axes of a phase."""
    return [
        Axis("p0", form.shape[0]),
        Axis("p1", form.groups),
        *(Axis(f"p{2 + a}", p.count) for a, p in enumerate(phase)),
    ]


def _column_axis(form: Conv) -> Axis:
    return Axis("n", int(form.shape[1]) // form.groups)  # type: ignore[arg-type]


def _real_pixels(form: Conv, phase: tuple[Phase, ...]) -> tuple[Axis, ...]:
    """The pixel axes with more than one pixel; always at least one axis."""
    image, group, *pixels = _pixel_axes(form, phase)
    lead = (group, image) if form.groups > 1 else (image,)
    return tuple(a for a in (*lead, *pixels) if a.extent != 1) or (image,)


def _steps(*pairs: tuple[Axis, int]) -> tuple[tuple[Axis, int], ...]:
    return tuple((a, step) for a, step in pairs if a.extent != 1)


def convolution_body(form: Conv, x: Tensor | Placement, buffers: Buffers, body_axes: Sequence[Expr]) -> Expr:
    """The value at an output index, for loops. It reads a padded Placement in place, or a Tensor with bounds tests."""
    n, o, *at = body_axes
    groups = form.groups
    per_in, per_out = form.weight.shape[0 if form.transposed else 1], form.shape[1] // groups
    per_in = per_in // groups if form.transposed else per_in
    channel = fresh_axis(per_in, "r")
    taps = [fresh_axis(k, "r") for k in form.weight.shape[2:]]
    group = o if per_out == 1 else ex.binary("floordiv", o, per_out)
    places: list[Expr] = []
    inside: list[Expr] = []
    for y, t, a in zip(at, taps, range(len(taps))):
        extent, stride, pad, step = form.x.shape[2 + a], form.strides[a], form.pads_begin[a], form.dilations[a]
        if form.transposed:
            raw = y + pad - axis(t) * step
            where = ex.binary("floordiv", raw, stride)
            if stride > 1:
                inside.append(ex.binary("eq", raw - where * stride, 0))
        else:
            where = y * stride + axis(t) * step - pad
        if isinstance(x, Tensor):
            inside += [ex.binary("ge", where, 0), ex.binary("lt", where, extent)]
            where = ex.binary("max", ex.binary("min", where, ex.dim(extent - 1)), 0)
        places.append(where)
    total = accumulator(form.x.dtype)
    source = [n, group * per_in + axis(channel), *places]
    value = ex.cast(x[source] if isinstance(x, Tensor) else ex.load(x, x.dtype, source), total)
    is_raw = isinstance(x, Placement) and is_product(form, True) and pad_of(form) is not None  # its pads are in memory
    if form.x_zero is not None and not is_raw:
        value = value - ex.cast(form.x_zero[(0,) * form.x_zero.rank], total)
    taps_at = [axis(t) for t in taps]
    lead = [group * per_in + axis(channel), o - group * per_out] if form.transposed else [o, axis(channel)]
    product = value * ex.cast(_weight_load(form, buffers, [*lead, *taps_at], total), total)
    for test in inside:
        product = ex.where(test, product, ex.const(0, total))
    acc = ex.reduce("sum", (channel, *taps), product)
    return with_bias(form, without_zero(form, acc, [o], buffers) if is_raw else acc, o, total)


def _weight_load(form: Conv, buffers: Buffers, index: list[Expr], total: DType) -> Expr:
    """Load a weight, without its zero point. Of a depthwise one the channel is innermost: channels form one vector."""
    zero = form.weight_zero
    if not is_constant(form.weight) or not is_depthwise(form) or (zero is not None and not is_constant(zero)):
        value = form.weight[index]
        if zero is None:
            return value
        return ex.cast(value, total) - ex.cast(scale_at(zero, index[0], form.weight.shape[0]), total)
    array = np.moveaxis(weights_of(form), 0, -1)  # [1, r..., c]
    kept = buffers.constant((form.weight, zero, "depthwise"), array, form.weight.name)
    moved = Placement(kept.storage, kept.dtype, form.weight.shape, (kept.strides[-1], *kept.strides[:-1]))
    return ex.load(moved, moved.dtype, index)


def _weights(
    form: Conv, phase: tuple[Phase, ...], canonical_axes: list[Axis], order: list[Axis]
) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    """[group, reduce axes in `order`, out channel of the group]"""
    array = weights_of(form)
    for a, p in enumerate(phase):
        array = np.take(array, p.taps, axis=2 + a)
    groups = form.groups
    if form.transposed:  # [g*ci, co, r...] -> [g, r..., ci, co]
        array = array.reshape(groups, array.shape[0] // groups, *array.shape[1:])
        array = np.moveaxis(array, (1, 2), (-2, -1))
    else:  # [g*co, ci, r...] -> [g, r..., ci, co]
        array = array.reshape(groups, array.shape[0] // groups, *array.shape[1:])
        array = np.moveaxis(array, (2, 1), (-2, -1))
    positions = [1 + canonical_axes.index(r) for r in order]
    return np.ascontiguousarray(array.transpose(0, *positions, array.ndim - 1))


def _by_stride(axes: list[tuple[Axis, Dim]]) -> list[tuple[Axis, Dim]]:
    """Axes by decreasing stride, so the innermost one walks memory. If strides cannot be compared: the given order."""
    if all(isinstance(s, int) for _, s in axes):
        return sorted(axes, key=lambda p: -abs(int(p[1])))  # type: ignore[arg-type]
    return axes


def _strides(pairs: Sequence[tuple[Axis, Dim]], kept: Sequence[Axis]) -> tuple[tuple[Axis, Dim], ...]:
    return tuple((a, s) for a, s in pairs if a in kept and s != 0)


def with_term(body: Body, tensor: Tensor, form: Conv, buffers: Buffers) -> Body:
    """The body, whose kernel adds a second product too: to the same sum, or, of integers, to acc(1)."""
    if form.x.dtype.is_float:
        return without_term(body, tensor, form)

    def replaced(e: Expr) -> Expr | None:
        return _result(form, e.args, buffers, True, 1) if e.op == "load" and e.attr is tensor else None

    return Body(body.axes, ex.substitute(body.expr, replaced), False)


def _result(form: Conv, index: Sequence[Expr], buffers: Buffers, in_kernel: bool, number: int = 0) -> Expr:
    """A sum without its zero point, plus the bias. in_kernel: zeros pad the image, else its zero point does."""
    total = accumulator(form.x.dtype)
    if in_kernel and any(zeros != (0, 0) for zeros in needed_zeros(form)):
        value = without_zero_inside(form, ex.acc(number, total), index, buffers)
    else:
        value = without_zero(form, ex.acc(number, total), index[1:2], buffers)
    return with_bias(form, value, index[1], total)


def _rest(form: Conv, index: list[Expr], group: Expr, computed: Computed) -> Expr:
    total = accumulator(form.x.dtype)
    return with_bias(form, computed.rest(ex.acc(0, total), index, group), index[1], total)


def with_bias(form: Conv, value: Expr, channel: Expr, total: DType) -> Expr:
    """The sum plus the channel's bias, in the output's dtype."""
    if form.bias is not None:
        value = value + ex.cast(form.bias[[channel]], total)
    return ex.cast(value, form.dtype)
