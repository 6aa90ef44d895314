"""Patches of windows against numpy in f64, in Triton's interpreter: convolution by channel, pooling, every edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from burnish.dims import evaluate, symbol
from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.kernels.slot import Slot
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, axis, binary, cast, const, load, reduce, unary, where
from burnish.target import ARCHITECTURES, parse_target
from burnish.targets.cuda.compiler.compile import Cubin
from burnish.targets.cuda.compiler.pool import try_sources
from burnish.targets.cuda.loops import template as loops
from burnish.targets.cuda.loops.arrange import arranged
from burnish.targets.cuda.loops.window.recognise import terms_of, windows_of
from tests.targets.cuda.loops.test_template import check, normal, out

F32, F16, I64 = DType.F32, DType.F16, DType.I64
HOPPER = parse_target("cuda:sm_90a")


def image(batch, h, w, c, k, stride=1, dilation=1, pads=None, dtype=F32, kind="sum", weighted=True, prologue=False):
    """A kernel of windows over [batch, h, w, c]. pads: top, left, bottom, right"""
    kh, kw = k
    top, left, bottom, right = pads or [dilation * (n - 1) // 2 for n in (kh, kw, kh, kw)]
    oh = (h + top + bottom - dilation * (kh - 1) - 1) // stride + 1
    ow = (w + left + right - dilation * (kw - 1) - 1) // stride + 1
    domain = tuple(Axis(f"i{n}", d) for n, d in enumerate((batch, oh, ow, c)))
    rows, columns = Axis("r0_0", kh), Axis("r0_1", kw)
    b, y, x, channel = (axis(a) for a in domain)
    y = y * stride + axis(rows) * dilation - top
    x = x * stride + axis(columns) * dilation - left
    inside = [(y, h), (x, w)]
    at = [binary("max", binary("min", i, const(n - 1, I64)), const(0, I64)) for i, n in inside]
    value = load(0, dtype, [b * (h * w * c) + at[0] * (w * c) + at[1] * c + channel])
    held = dtype if dtype in (F32, DType.F64, DType.I32, DType.U8) or not weighted else F32
    value = cast(value, held)
    if prologue:
        value = unary("exp", value)
    if weighted:
        value = value * cast(load(1, dtype, [(axis(rows) * kw + axis(columns)) * c + channel]), held)
    neutral = {"sum": 0, "max": float("-inf")}[kind]
    if kind == "max" and dtype.is_integer:
        neutral = 0
    for i, n in inside:
        value = where(binary("ge", i, 0), where(binary("lt", i, n), value, const(neutral, held)), const(neutral, held))
    result = reduce(kind, [rows, columns], value)
    if weighted:
        result = result + cast(load(2, F32, [channel]), held)
        result = binary("max", result, const(0, held))
    elements = batch * oh * ow * c
    store = axis(domain[0]) * (oh * ow * c) + axis(domain[1]) * (ow * c) + axis(domain[2]) * c + channel

    def slot(kind, count):
        return Slot(kind, (count,), (1,))

    slots = (slot(dtype, batch * h * w * c), slot(dtype, kh * kw * c), slot(F32, c), slot(dtype, elements))
    return Loops(slots, domain, (Store(3, (store,), cast(result, dtype)),))


def patch(down, across, rows=4, block=8, warps=1, ahead=0):
    return Schedule.of(
        "window", down=down, across=across, rows=rows, block=block, warps=warps, ahead=ahead, registers=128
    )


def arrays_of(kernel, dims=None):
    """Sums of products stay near one; integers are not negative."""
    arrays = []
    for n, s in enumerate(kernel.slots):
        count = evaluate(s.shape[0], dims or {})
        values = normal((count,), F32, n) / 3
        values = np.abs(values * 9) if s.dtype.is_integer else values
        arrays.append(out(count, s.dtype) if n == 3 else values.astype(s.dtype.numpy))
    return arrays


@pytest.mark.parametrize("stride, dilation", [(1, 1), (2, 1), (1, 2)])
@pytest.mark.parametrize("k", [(3, 3), (5, 5), (7, 7), (3, 2)], ids=str)
def test_convolution_by_channel_with_tails_in_both_directions(k, stride, dilation):
    kernel = image(2, 13, 11, 6, k, stride, dilation)
    for down, across in [(2, 3)] if k[0] > 3 else [(1, 1), (1, 4), (3, 2)]:
        check(kernel, arrays_of(kernel), schedule=patch(down, across, rows=32, ahead=down - 1))


@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [0, 1, 2, 1], [2, 0, 0, 2], [3, 3, 3, 3]], ids=str)
def test_asymmetric_and_wide_padding(pads):
    kernel = image(1, 9, 7, 8, (3, 3), 2, 1, pads)
    for down, across in [(1, 1), (2, 2), (2, 3)]:
        check(kernel, arrays_of(kernel), schedule=patch(down, across))


@pytest.mark.parametrize("dtype", [F32, F16, DType.BF16, DType.F64], ids=str)
@pytest.mark.parametrize("channels", [3, 8, 20])
def test_dtypes_and_channels_that_fill_no_block(dtype, channels):
    kernel = image(1, 6, 6, channels, (3, 3), dtype=dtype)
    check(kernel, arrays_of(kernel), schedule=patch(2, 2, block=16, rows=2))


@pytest.mark.parametrize("dtype", [F32, F16, DType.BF16, DType.I32, DType.U8], ids=str)
def test_max_pooling_takes_nothing_from_beyond_the_edge(dtype):
    kernel = image(2, 9, 8, 8, (3, 3), 2, dtype=dtype, kind="max", weighted=False)
    arrays = arrays_of(kernel)
    arrays[0] = -np.abs(arrays[0]) if dtype is not DType.U8 else arrays[0]
    if dtype is F16:
        arrays[0][5] = np.nan
    if dtype is DType.I32:  # the neutral value of this kernel is 0, not the lowest: no window for the template
        assert windows_of(arranged(kernel)) is None
        return
    check(kernel, arrays, schedule=patch(2, 2))


def test_what_is_computed_of_an_element_is_neutral_beyond_the_edge():
    kernel = image(1, 5, 5, 8, (3, 3), prologue=True)
    check(kernel, arrays_of(kernel), schedule=patch(2, 2))


def test_a_window_far_outside_gives_the_neutral_value():
    kernel = image(1, 2, 2, 8, (1, 2), pads=[4, 4, 4, 4])
    check(kernel, arrays_of(kernel), schedule=patch(1, 1))


def test_every_element_of_a_patch_is_loaded_once_and_every_weight_too():
    kernel = image(2, 8, 8, 8, (3, 3))
    source = check(kernel, arrays_of(kernel), schedule=patch(2, 4))
    assert source.text.count("tl.load(base") == 4 * 6 + 9 + 1
    assert windows_of(arranged(kernel)).overlaps


@pytest.mark.parametrize("ahead, before", [(0, 3 + 3), (1, 2 * (3 + 3)), (2, 3 * (3 + 3)), (3, 4 * 3 + 9)])
def test_rows_are_asked_for_so_many_rows_before_their_products(ahead, before):
    kernel = image(1, 7, 5, 20, (3, 3), dtype=F16)
    source = check(kernel, arrays_of(kernel), schedule=patch(2, 1, block=16, ahead=ahead))
    until_first_product = source.text.split(" * v")[0]
    assert until_first_product.count("tl.load(base") == before


def test_weights_are_read_for_channels_alone():
    kernel = image(1, 5, 5, 8, (3, 3))  # 25 patches fill no block of rows: lanes beyond the end have weights too
    source = check(kernel, arrays_of(kernel), schedule=patch(1, 1))
    weights = [line for line in source.text.splitlines() if "tl.load(" in line and "mask" not in line]
    assert len(weights) == 9 + 1


def test_the_assembler_may_use_as_many_registers_as_leave_room_for_as_many_programs():
    kernel = image(1, 14, 14, 384, (7, 7), dtype=F16)
    for s in loops.schedules(kernel, HOPPER, {}):
        if s.template == "window":
            threads, registers = 32 * s["warps"], s["registers"]
            assert loops.emit(kernel, s, HOPPER).registers == registers
            assert 32 <= registers <= 255 and registers * threads <= 65536


def test_with_strides_the_assembler_is_left_to_itself_and_patches_are_smaller():
    kernel = image(128, 57, 57, 144, (5, 5), 2, dtype=F16)
    found = [s for s in loops.schedules(kernel, HOPPER, {}) if s.template == "window"]
    assert found and all(s["registers"] == 0 for s in found)
    vector = [s["rows"] * s["block"] // (32 * s["warps"]) for s in found]
    assert all(s["down"] * s["across"] * v <= 64 for s, v in zip(found, vector))


def test_patches_do_not_overlap_where_a_result_may_be_updated_in_place():
    kernel = image(1, 7, 7, 8, (3, 3))
    store = kernel.stores[0]
    kernel = Loops(kernel.slots, kernel.domain, (Store(3, store.index, store.value + load(3, F32, store.index)),))
    assert windows_of(arranged(kernel)).overlaps is False
    found = [s for s in loops.schedules(kernel, HOPPER, {}) if s.template == "window"]
    assert {s["across"] for s in found} <= {1, 7}
    check(kernel, arrays_of(kernel), schedule=found[0])


def test_any_batch_in_one_source():
    kernel, dims = image(symbol("n"), 6, 5, 8, (3, 3)), {"n": 3}
    found = [s for s in loops.schedules(kernel, HOPPER, dims) if s.template == "window"]
    check(kernel, arrays_of(kernel, dims), dims, found[0])


def test_other_reductions_are_no_windows():
    n, c, r = Axis("i0", 4), Axis("i1", 8), Axis("r0_0", 49)
    value = reduce("sum", [r], load(0, F32, [axis(n) * 392 + axis(r) * 8 + axis(c)]))
    slots = (Slot(F32, (4 * 392,), (1,)), Slot(F32, (32,), (1,)))
    assert windows_of(arranged(Loops(slots, (n, c), (Store(1, (axis(n) * 8 + axis(c),), value),)))) is None


def test_large_batches_take_patches_and_small_images_have_warps_for_every_processor():
    kernel = image(64, 56, 56, 96, (3, 3), dtype=F16)
    first = loops.schedules(kernel, HOPPER, {})[0]
    assert first.template == "window" and first["across"] * first["down"] >= 4
    kernel = image(1, 7, 7, 768, (7, 7), dtype=F16)
    found = loops.schedules(kernel, HOPPER, {})
    assert loops.emit(kernel, found[0], HOPPER).grid[0] * found[0]["warps"] >= 2 * 132
    assert found == loops.schedules(kernel, HOPPER, {})


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_few_channels_have_schedules_too(channels):
    offered = loops.schedules(image(1, 9, 9, channels, (3, 3)), HOPPER, {})
    assert offered and (offered[0].template == "window") == (channels > 4)


def test_terms_certainly_outside_are_left_out():
    kernel = image(1, 1, 8, 8, (3, 3))
    windows = windows_of(arranged(kernel))
    assert windows is not None
    terms = list(terms_of(windows, 1, 2))
    assert len(terms) == 2 * 3


def test_the_assembler_is_told_how_many_registers_it_may_use():
    kernel = image(1, 7, 7, 64, (5, 5), dtype=F16)
    source = loops.emit(kernel, patch(1, 1, rows=2, block=32, warps=2, ahead=4), HOPPER)
    few, many = try_sources([(replace(source, registers=n), HOPPER) for n in (32, 128)])
    assert isinstance(few, Cubin) and isinstance(many, Cubin) and few.content != many.content


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_compiles_without_spilling_or_shared_memory(architecture):
    target = parse_target(f"cuda:{architecture}")
    kernel = image(8, 28, 28, 64, (3, 3), dtype=F16)
    (cubin,) = try_sources([(loops.emit(kernel, loops.schedules(kernel, target, {})[0], target), target)])
    assert isinstance(cubin, Cubin) and cubin.shared_bytes == 0
