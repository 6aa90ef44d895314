"""Contraction tasks for tests, and what they mean in float64: index arrays and numpy, nothing of the target's."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from burnish.dims import Dim, evaluate, product
from burnish.dtypes import DType
from burnish.kernels.slot import Slot
from burnish.kernels.task import Contraction, Store, Window
from burnish.ops.language import expr as ex
from burnish.ops.language.expr import Axis, Expr, axis

Array = np.ndarray[Any, Any]
_BINARY = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def matmul(
    m: Dim,
    n: Dim,
    k: Dim,
    dtype: DType = DType.F16,
    batch: Sequence[Dim] = (),
    b_batch: Sequence[Dim] | None = None,
    packed: bool = True,
    transpose_a: bool = False,
    transpose_b: bool = False,
    b_dtype: DType | None = None,
    **epilogue: Any,
) -> Contraction:
    """out[batch..., m, n]; a batch extent of 1 in `b_batch` repeats B."""
    axes = [Axis(f"p{i}", e) for i, e in enumerate(batch)]
    row, column, depth = Axis(f"p{len(axes)}", m), Axis("n", n), Axis("k0", k)
    b_batch = batch if b_batch is None else b_batch
    a_strides = [*_dense(axes, batch, m * k), (row, 1 if transpose_a else k), (depth, m if transpose_a else 1)]
    b_strides = [*_dense(axes, b_batch, n * k), (depth, 1 if transpose_b else n), (column, k if transpose_b else 1)]
    depends = [x for x, e in zip(axes, b_batch) if e != 1]
    pixels = (*depends, *(x for x in axes if x not in depends), row)
    out = [*_dense(axes, batch, m * n), (row, n), (column, 1)]
    return _contraction(
        dtype, b_dtype or dtype, pixels, column, (depth,), a_strides, b_strides, packed, out, (), **epilogue
    )


def convolution(
    images: Dim,
    channels: int,
    spatial: Sequence[Dim],
    columns: int,
    taps: Sequence[int],
    dtype: DType = DType.F16,
    stride: int = 1,
    pads: Sequence[int] | None = None,
    dilation: int = 1,
    groups: int = 1,
    **epilogue: Any,
) -> Contraction:
    """Channels-last in and out; channels and columns are those of one group."""
    pads = [0] * len(taps) if pads is None else pads
    out_extents = [_floor(x + 2 * p - dilation * (t - 1) - 1, stride) + 1 for x, p, t in zip(spatial, pads, taps)]
    image, group = Axis("p0", images), Axis("p1", groups)
    at = [Axis(f"p{2 + i}", e) for i, e in enumerate(out_extents)]
    tap = [Axis(f"k{i}", t) for i, t in enumerate(taps)]
    channel, column = Axis(f"k{len(taps)}", channels), Axis("n", columns)
    steps = [product(spatial[i + 1 :]) * (channels * groups) for i in range(len(spatial))]
    a_strides = [(image, product(spatial) * (channels * groups)), (group, channels)]
    a_strides += [(p, s * stride) for p, s in zip(at, steps)] + [(t, s * dilation) for t, s in zip(tap, steps)]
    a_strides += [(channel, 1)]
    windows = tuple(
        Window(tuple((x, s) for x, s in ((p, stride), (t, dilation)) if x.extent != 1), -pad, e, s)
        for p, t, pad, e, s in zip(at, tap, pads, spatial, steps)
        if pad
    )
    lead = (group, image) if groups > 1 else (image,)
    b_axes = ([group] if groups > 1 else []) + [*tap, channel, column]
    b_strides = _dense(b_axes, [x.extent for x in b_axes], 1)
    order = [image, *at]
    out = [*_dense(order, [x.extent for x in order], columns * groups), (group, columns), (column, 1)]
    reduce = (*(x for x in tap if x.extent != 1), channel)
    return _contraction(
        dtype, dtype, (*lead, *at), column, reduce, a_strides, b_strides, True, out, windows, **epilogue
    )


def _contraction(
    dtype: DType,
    b_dtype: DType,
    pixels: Sequence[Axis],
    n: Axis,
    reduce: Sequence[Axis],
    a_strides: Sequence[tuple[Axis, Dim]],
    b_strides: Sequence[tuple[Axis, Dim]],
    packed: bool,
    out: Sequence[tuple[Axis, Dim]],
    windows: tuple[Window, ...],
    bias: bool = False,
    residual: bool = False,
    activation: bool = False,
    twice: bool = False,
    out_dtype: DType | None = None,
    out_aligned: int = 16,
) -> Contraction:
    total = dtype if dtype in (DType.F64, DType.I64) else DType.F32 if dtype.is_float else DType.I32
    stored = out_dtype or (dtype if dtype.is_float else total)
    kept = [x for x in pixels if x.extent != 1] or list(pixels)[:1]
    every = {*kept, *reduce, n}
    index: Expr = ex.const(0, DType.I64)
    span: Dim = 1
    for x, s in out:
        if x.extent != 1:
            index = index + axis(x) * ex.dim(s)
        span = span + (x.extent - 1) * s
    slots = [Slot(dtype, (_span(a_strides, windows),), (1,)), Slot(b_dtype, (_span(b_strides, ()),), (1,))]
    slots.append(Slot(stored, (span,), (1,), out_aligned))
    value = ex.acc(0, total)
    if bias:
        slots.append(Slot(total, (n.extent,), (1,)))
        value = value + ex.load(len(slots) - 1, total, [axis(n) if n.extent != 1 else ex.const(0, DType.I64)])
    if residual:
        slots.append(Slot(stored, (span,), (1,)))
        value = value + ex.cast(ex.load(len(slots) - 1, stored, [index]), total)
    stores = []
    if twice:
        slots.append(Slot(total, (span,), (1,)))
        stores.append(Store(len(slots) - 1, (index,), value * ex.const(2, total)))
    if activation:
        value = ex.binary("max", value, ex.const(0, total))
    stores.append(Store(2, (index,), ex.cast(value, stored)))
    return Contraction(
        tuple(slots),
        tuple(kept),
        n,
        tuple(reduce),
        tuple((x, s) for x, s in a_strides if x in every and s != 0),
        tuple((x, s) for x, s in b_strides if x in every and s != 0),
        packed,
        tuple(stores),
        windows,
    )


def added(kernel: Contraction, *others: Contraction) -> Contraction:
    """The first one's kernel with the others' products in its sum."""
    slots, more = list(kernel.slots), list(kernel.more)
    for other in others:
        term = replace(other.terms[0], a=len(slots), b=len(slots) + 1)
        slots += other.slots[:2]
        more.append(term)
    return replace(kernel, slots=tuple(slots), more=tuple(more))


def beside(kernel: Contraction, other: Contraction) -> Contraction:
    """The first one's kernel with the other's product in a sum of its own; it stores acc(0) * 3 - acc(1) + the rest."""
    joined = added(kernel, other)
    (*first, last) = joined.more
    total = DType.F32 if kernel.slots[0].dtype.is_float else DType.I32

    def both(e: Expr) -> Expr | None:
        return ex.acc(0, total) * ex.const(3, total) - ex.acc(1, total) if e.op == "acc" else None

    stores = tuple(replace(s, value=ex.substitute(s.value, both)) for s in joined.stores)
    return replace(joined, more=(*first, replace(last, total=1)), stores=stores)


def arrays_for(kernel: Contraction, sizes: Mapping[str, int], seed: int = 0) -> list[Array]:
    """A flat array for each slot: operands are multiples of 1/8, so that short sums are exact; outputs NaN or 77."""
    random = np.random.default_rng(seed)
    written = {s.slot for s in kernel.stores}
    found = []
    for number, slot in enumerate(kernel.slots):
        count = evaluate(slot.shape[0], sizes)
        if number in written:
            values = np.full(count, np.nan if slot.dtype.is_float else 77)
        elif slot.dtype.is_float:
            values = random.integers(-8, 9, count) / 8
        else:
            values = random.integers(-100 if slot.dtype.is_signed else 0, 127 if slot.dtype.is_signed else 255, count)
        found.append(aligned(values.astype(slot.dtype.numpy)))
    return found


def aligned(values: Array) -> Array:
    """The same values at an address that is a multiple of 256."""
    memory = np.zeros(values.nbytes + 256, np.uint8)
    first = -memory.ctypes.data % 256
    found = memory[first : first + values.nbytes].view(values.dtype)
    found[:] = values.ravel()
    return found


def constant_of(kernel: Contraction, array: Array, sizes: Mapping[str, int], number: int = 0) -> Array:
    """A product's packed operand as templates get it: [batch axes..., reduce axes..., n]."""
    term = kernel.terms[number]
    strides = dict(term.b_strides)
    axes = [x for x in kernel.pixels if strides.get(x, 0) != 0]
    axes += [*term.reduce, kernel.n]
    return array[_offsets(axes, strides, sizes)]


def expected(kernel: Contraction, arrays: Sequence[Array], sizes: Mapping[str, int]) -> dict[int, Array]:
    """What every written slot must hold, in float64 (integers exactly); elements that are not written stay."""
    pixels, n = list(kernel.pixels), kernel.n
    wide = np.float64 if kernel.slots[0].dtype.is_float else np.int64
    parts = [_product(kernel.alone(i), [arrays[t.a], arrays[t.b]], sizes, wide) for i, t in enumerate(kernel.terms)]
    sums = [
        np.sum([p for p, t in zip(parts, kernel.terms) if t.total == total], axis=0) for total in range(kernel.totals)
    ]
    domain = [*pixels, n]
    found = {s.slot: arrays[s.slot].astype(wide) for s in kernel.stores}
    for store in kernel.stores:
        place = _evaluate(store.index[0], domain, sums, arrays, sizes, wide)
        value = _evaluate(store.value, domain, sums, arrays, sizes, wide)
        shape = [evaluate(x.extent, sizes) for x in domain]
        found[store.slot][np.broadcast_to(place, shape)] = np.broadcast_to(value, shape)
    return found


def _product(kernel: Contraction, arrays: Sequence[Array], sizes: Mapping[str, int], wide: Any) -> Array:
    """The sums of one product, [pixels..., n]."""
    pixels, reduce, n = list(kernel.pixels), list(kernel.reduce), kernel.n
    at_a, at_b = [*pixels, *reduce], [*pixels, *reduce, n]
    offsets = _offsets(at_a, dict(kernel.a_strides), sizes)
    inside = np.ones([1] * len(at_a), bool)
    for window in kernel.windows:
        shift = window.first * evaluate(window.stride, sizes)
        offsets = offsets + shift
        place = sum((_counter(at_a, x, sizes) * s for x, s in window.steps), np.asarray(window.first))
        inside = inside & (place >= 0) & (place < evaluate(window.extent, sizes))
    a = np.where(inside, arrays[0][np.where(inside, offsets, 0)].astype(wide), 0)
    b = arrays[1][_offsets(at_b, dict(kernel.b_strides), sizes)].astype(wide)
    extents = [evaluate(x.extent, sizes) for x in at_a]
    a, b = np.broadcast_to(a, extents), np.broadcast_to(b, [*extents, evaluate(n.extent, sizes)])
    count = len(pixels)
    rows, depth = math.prod(extents[:count]), math.prod(extents[count:])
    sums = np.einsum("pk,pkn->pn", a.reshape(rows, depth), b.reshape(rows, depth, -1))
    return np.asarray(sums.reshape([*extents[:count], -1]))


def _evaluate(
    e: Expr, domain: Sequence[Axis], sums: Sequence[Array], arrays: Sequence[Array], sizes: Mapping[str, int], wide: Any
) -> Array:
    arguments = [_evaluate(x, domain, sums, arrays, sizes, wide) for x in e.args]
    if e.op == "acc":
        return sums[e.attr]
    if e.op == "axis":
        return _counter(domain, e.attr, sizes)
    if e.op in ("const", "dim"):
        return np.asarray(evaluate(e.attr, sizes) if e.op == "dim" else e.attr)
    if e.op == "load":
        return arrays[e.attr][arguments[0]].astype(wide)
    if e.op == "cast":
        return arguments[0]
    if e.op == "tanh":
        return np.asarray(np.tanh(arguments[0]))
    return np.asarray(_BINARY[e.op](*arguments))


def _offsets(axes: Sequence[Axis], strides: Mapping[Axis, Dim], sizes: Mapping[str, int]) -> Array:
    total = np.zeros([1] * len(axes), np.int64)
    for x in axes:
        total = total + _counter(axes, x, sizes) * evaluate(strides.get(x, 0), sizes)
    return total


def _counter(axes: Sequence[Axis], of: Axis, sizes: Mapping[str, int]) -> Array:
    shape = [evaluate(x.extent, sizes) if x == of else 1 for x in axes]
    return np.arange(evaluate(of.extent, sizes)).reshape(shape) if of in axes else np.zeros(shape, np.int64)


def _dense(axes: Sequence[Axis], extents: Sequence[Dim], inner: Dim) -> list[tuple[Axis, Dim]]:
    found: list[tuple[Axis, Dim]] = []
    stride = inner
    for x, e in zip(reversed(axes), reversed(extents)):
        found.insert(0, (x, 0 if e == 1 and x.extent != 1 else stride))
        stride = stride * e
    return found


def _span(strides: Sequence[tuple[Axis, Dim]], windows: Sequence[Window]) -> Dim:
    """Elements that an operand has; for windows those of the whole image."""
    moved = {x for w in windows for x, _ in w.steps}
    total: Dim = 1
    for x, s in strides:
        if x not in moved:
            total = total + (x.extent - 1) * s
    for w in windows:
        total = total + (w.extent - 1) * w.stride
    return total


def _floor(value: Dim, by: int) -> Dim:
    return value // by
