"""Native code that counts the numbers of each channel of a tensor, x[outer, channels, inner].

    ends[c]            the smallest and the largest finite number of a channel
    counts[c, bin]     += 1 for each finite number. HALF bins for numbers from 0 up, then HALF for those below 0; a bin
                       is a quarter of an octave, of the OCTAVES below a power of two; what is smaller is in the first

A bin is taken from the bits of a number, so nothing is multiplied. Where inner > 1 a channel's numbers lie side by
side: lanes count in SPREAD tables in turn, since a counter that was just written cannot be read again for some cycles.
Where inner is 1, lanes are channels, and never meet.
measured 0.7 ns a number in rows of 3136, 1.6 of 49, 1.1 where inner is 1, from cache, one core of an EPYC with AVX-512
"""

from __future__ import annotations

import functools
import threading

import numpy as np
from llvmlite import ir

from burnish.calibration.counting import (
    SIGNATURE,
    Array,
    compiled,
    increment,
    is_finite,
    larger,
    smaller,
    zero_like,
)
from burnish.dims import symbol
from burnish.targets.cpu.builder import F32, I32, I64, KernelBuilder, KernelContext, lanes_of, vector_type

OCTAVES = 8
SPREAD = 4  # tables of 32-bit counters
PARTS = 4  # bins of an octave
HALF = OCTAVES * PARTS
BINS = 2 * HALF
SHIFT = 21  # of a float's bits: what is left are the exponent and the two upper bits of the fraction
BIAS = 127
_DIMS = ("outer", "channels", "inner", "first")
_OUTER, _CHANNELS, _INNER, _FIRST = map(symbol, _DIMS)


class ChannelCounting:
    """Both kernels. Any number of threads may call them, each for another tensor."""

    def __init__(self) -> None:
        self._code = compiled(_DIMS, _emit_rows, _emit_columns)
        self._rows, self._columns = (SIGNATURE(self._code.symbols[name]) for name in ("rows", "columns"))
        self._own = threading.local()

    def count(self, x: Array, octave: int, ends: Array, counts: Array) -> None:
        """Add to a tensor's counts.

        x: contiguous f32 [outer, channels, inner]; octave: its magnitudes are at most 2 ** octave
        ends: f32 [2, channels]; counts: i64 [channels + 1, BINS], the last row for what is not finite
        """
        table = getattr(self._own, "table", None)
        if table is None:
            table = self._own.table = np.zeros(SPREAD * BINS + 64, np.uint32)
        dims = np.array([*x.shape, ((octave + BIAS) << 2) - HALF])
        kernel = self._columns if x.shape[2] == 1 else self._rows
        kernel(x.ctypes.data, ends.ctypes.data, counts.ctypes.data, dims.ctypes.data, table.ctypes.data, 0, 1)


@functools.cache
def channel_counting() -> ChannelCounting:
    """Compiled at the first use."""
    return ChannelCounting()


def _emit_rows(context: KernelContext) -> ir.Function:
    k = KernelBuilder(context, "rows", 3)
    inner, size = k.dim(_INNER), k.lanes
    whole = k.ir.and_(inner, k.i64(-size))
    with k.loop(0, k.dim(_OUTER)) as outer, k.loop(0, k.dim(_CHANNELS)) as channel:
        row = k.ir.add(k.ir.mul(outer.index, k.dim(_CHANNELS)), channel.index)
        numbers = k.address(k.slots[0], k.ir.mul(row, inner), F32)
        places = [k.address(k.slots[1], channel.index, F32)]
        places.append(k.address(places[0], k.dim(_CHANNELS), F32))
        ends = [k.load(place, F32, 4) for place in places]
        start = [k.splat(ir.Constant(F32, float(text)), size) for text in ("inf", "-inf")]
        with k.loop(0, whole, size, start) as loop:
            loop.next = _count_row(k, k.address(numbers, loop.index, F32), size, loop.carried)
        for lane in range(size):
            low, high = (k.ir.extract_element(v, ir.Constant(I32, lane)) for v in loop.results)
            ends = [smaller(k, low, ends[0]), larger(k, high, ends[1])]
        with k.loop(whole, inner, 1, ends) as rest:
            rest.next = _count_row(k, k.address(numbers, rest.index, F32), 1, rest.carried)
        for place, end in zip(places, rest.results):
            k.ir.store(end, place)
        _flush(k, k.address(k.slots[2], k.ir.mul(channel.index, k.i64(BINS)), I64))
    return k.finish()


def _count_row(k: KernelBuilder, place: ir.Value, size: int, ends: list[ir.Value]) -> list[ir.Value]:
    """Count a vector of one channel's numbers in the tables; its ends."""
    x = k.load(place, vector_type(F32, size), 4)
    tables = [lane % SPREAD * BINS for lane in range(size)]
    nowhere = [SPREAD * BINS + lane for lane in range(size)]
    bins = k.ir.select(is_finite(k, x), k.ir.add(_bins(k, x), _numbers(tables)), _numbers(nowhere))
    for lane in range(size):
        increment(k, k.address(k.scratch, k.ir.zext(_lane(k, bins, lane), I64), I32))
    return _ends(k, x, ends)


def _flush(k: KernelBuilder, counts: ir.Value) -> None:
    """Add the tables to a channel's counts, and empty them."""
    wide, narrow = vector_type(I64, k.lanes), vector_type(I32, k.lanes)
    with k.loop(0, BINS, k.lanes) as loop:
        total = k.load(k.address(counts, loop.index, I64), wide, 8)
        for table in range(SPREAD):
            part = k.address(k.scratch, k.ir.add(loop.index, k.i64(table * BINS)), I32)
            total = k.ir.add(total, k.ir.zext(k.load(part, narrow, 4), wide))
            k.ir.store(ir.Constant(narrow, [0] * k.lanes), part, align=4)
        k.ir.store(total, k.address(counts, loop.index, I64), align=8)


def _emit_columns(context: KernelContext) -> ir.Function:
    k = KernelBuilder(context, "columns", 3)
    channels = k.dim(_CHANNELS)
    whole = k.ir.and_(channels, k.i64(-k.lanes))
    with k.loop(0, k.dim(_OUTER)) as outer:
        numbers = k.address(k.slots[0], k.ir.mul(outer.index, channels), F32)
        for lo, hi, size in ((k.i64(0), whole, k.lanes), (whole, channels, 1)):
            with k.loop(lo, hi, size) as loop:
                _count_columns(k, numbers, loop.index, size)
    return k.finish()


def _count_columns(k: KernelBuilder, numbers: ir.Value, channel: ir.Value, size: int) -> None:
    """Count one number of each of `size` channels."""
    kind = vector_type(F32, size)
    x = k.load(k.address(numbers, channel, F32), kind, 4)
    low = k.address(k.slots[1], channel, F32)
    places = (low, k.address(low, k.dim(_CHANNELS), F32))
    for place, end in zip(places, _ends(k, x, [k.load(place, kind, 4) for place in places])):
        k.ir.store(end, place, align=4)
    bins, finite = _bins(k, x), is_finite(k, x)
    for lane in range(size):
        own = k.ir.add(channel, k.i64(lane))
        row = k.ir.select(_lane(k, finite, lane), own, k.dim(_CHANNELS))
        place = k.ir.add(k.ir.mul(row, k.i64(BINS)), k.ir.zext(_lane(k, bins, lane), I64))
        home = k.address(k.slots[2], place, I64)
        k.ir.store(k.ir.add(k.load(home, I64, 8), k.i64(1)), home)


def _bins(k: KernelBuilder, x: ir.Value) -> ir.Value:
    """The bin of each lane, 0 to BINS - 1; anything where it is not finite."""
    size = lanes_of(x)
    bits = k.ir.bitcast(x, vector_type(I32, size))
    magnitude = k.ir.lshr(k.ir.and_(bits, _numbers([0x7FFFFFFF] * size)), _numbers([SHIFT] * size))
    place = k.ir.sub(magnitude, k.splat(k.ir.trunc(k.dim(_FIRST), I32), size))
    least, most = _numbers([0] * size), _numbers([HALF - 1] * size)
    place = k.ir.select(k.ir.icmp_signed(">", place, least), place, least)
    place = k.ir.select(k.ir.icmp_signed("<", place, most), place, most)
    return k.ir.select(k.ir.fcmp_ordered("<", x, zero_like(x)), k.ir.add(place, _numbers([HALF] * size)), place)


def _ends(k: KernelBuilder, x: ir.Value, ends: list[ir.Value]) -> list[ir.Value]:
    """The smallest and the largest of each lane, and of the finite numbers."""
    finite = is_finite(k, x)
    bounds = [k.splat(ir.Constant(F32, float(text)), lanes_of(x)) for text in ("inf", "-inf")]
    low, high = (k.ir.select(finite, x, bound) for bound in bounds)
    return [smaller(k, low, ends[0]), larger(k, high, ends[1])]


def _lane(k: KernelBuilder, vector: ir.Value, lane: int) -> ir.Value:
    return k.ir.extract_element(vector, ir.Constant(I32, lane)) if lanes_of(vector) > 1 else vector


def _numbers(values: list[int]) -> ir.Constant:
    kind = vector_type(I32, len(values))
    return ir.Constant(kind, values if len(values) > 1 else values[0])
