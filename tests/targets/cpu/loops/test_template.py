"""The loops template against numpy in f64: all levels, odd shapes, strides, dtypes, dynamic dims, several threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.kernels.slot import Slot
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, Expr, axis, binary, cast, const, dim, load, reduce, unary, where
from burnish.targets.cpu.loops import template as loops
from tests.targets.cpu.reference_loops import Reference, dense
from tests.targets.cpu.run_kernel import TARGETS, Compiled, runnable, undefined_symbols

F32, I64 = DType.F32, DType.I64
LEVELS = [t for t in TARGETS if runnable(t)]
GUARD = 64  # elements around each array that nobody may touch
TOLERANCE = {DType.F32: 2e-6, DType.F64: 1e-14, DType.F16: 1e-3, DType.BF16: 1e-2}
extents = st.one_of(st.integers(1, 9), st.sampled_from([15, 16, 17, 31, 32, 33, 47, 64, 65, 100]))


def run(kernel: Loops, arrays, target, dims=None, schedule=None, tolerance=None):
    """Compile, run on 1, 2 and 3 threads, compare with the oracle, and see that nothing else was written."""
    dims = dims or {}
    schedule = schedule or loops.schedules(kernel, target, dims)[0]
    written = {s.slot for s in kernel.stores}
    compiled = Compiled(lambda c: loops.emit(c, kernel, schedule, "kernel"), target, sorted(dims))
    assert undefined_symbols(compiled.code) == []
    expected = Reference(kernel, arrays, dims).run()
    for threads in (1, 2, 3):
        padded = [np.concatenate([_noise(a), a, _noise(a)]) for a in arrays]
        before = [p.copy() for p in padded]
        starts = [p.ctypes.data + GUARD * p.itemsize for p in padded]
        compiled(starts, dims, threads)
        for n, (p, old) in enumerate(zip(padded, before)):
            inner = p[GUARD:-GUARD]
            p_outer, old_outer = (np.concatenate([q[:GUARD], q[-GUARD:]]).view(np.uint8) for q in (p, old))
            np.testing.assert_array_equal(p_outer, old_outer, err_msg=f"slot {n}: bytes outside were written")
            if n not in written:
                np.testing.assert_array_equal(inner.view(np.uint8), old[GUARD:-GUARD].view(np.uint8))
            else:
                _compare(inner, expected[n], kernel.slots[n].dtype, tolerance)
    return compiled


def _noise(a):
    return np.full(GUARD * a.itemsize, 0xA5, np.uint8).view(a.dtype)


def _compare(got, expected, dtype, tolerance):
    if not dtype.is_float:
        np.testing.assert_array_equal(got, expected)
        return
    bound = tolerance or TOLERANCE[dtype]
    a, b = got.astype(np.float64), expected.astype(np.float64)
    np.testing.assert_allclose(a, b, rtol=bound, atol=bound)


def normal(shape, dtype=F32, seed=0):
    return np.random.default_rng(seed).normal(0, 1, int(np.prod(shape))).astype(dtype.numpy)


@settings(max_examples=25, deadline=None)
@given(
    shape=st.lists(extents, min_size=1, max_size=3),
    order=st.randoms(use_true_random=False),
    dtype=st.sampled_from([DType.F32, DType.F64, DType.F16, DType.BF16]),
    target=st.sampled_from(LEVELS),
    pad=st.integers(0, 3),
)
def test_pointwise_over_any_strides(shape, order, dtype, target, pad):
    """out = tanh(x) * y + broadcast z, x transposed at random, the output with gaps between rows"""
    permutation = list(range(len(shape)))
    order.shuffle(permutation)
    axes = tuple(Axis(f"i{n}", e) for n, e in enumerate(shape))
    at = [axis(a) for a in axes]
    strides, step = [0] * len(shape), 1
    for n in permutation:
        strides[n], step = step, step * shape[n]
    x = Slot(dtype, tuple(shape), tuple(strides))
    z = Slot(dtype, tuple(shape), (0,) * (len(shape) - 1) + (1,))
    gaps, step = [], 1
    for e in reversed(shape):
        gaps.insert(0, step)
        step = step * e + pad
    out = Slot(dtype, tuple(shape), tuple(gaps))
    value = unary("tanh", load(0, dtype, at)) * load(1, dtype, at) + load(2, dtype, at)
    kernel = Loops((x, dense(dtype, shape), z, out), axes, (Store(3, tuple(at), value),))
    arrays = [normal(shape, dtype, 1), normal(shape, dtype, 2), normal(shape[-1:], dtype, 3), normal([step], dtype, 4)]
    run(kernel, arrays, target)


@settings(max_examples=20, deadline=None)
@given(
    shape=st.lists(extents, min_size=2, max_size=3),
    which=st.integers(0, 2),
    kind=st.sampled_from(["sum", "max", "min", "prod"]),
    dtype=st.sampled_from([DType.F32, DType.F64, DType.F16, DType.I64, DType.I32, DType.U8]),
    target=st.sampled_from(LEVELS),
)
def test_reductions_over_any_axis(shape, which, kind, dtype, target):
    over = which % len(shape)
    axes = tuple(Axis(f"i{n}", e) for n, e in enumerate(shape))
    domain = tuple(a for n, a in enumerate(axes) if n != over)
    body = load(0, dtype, [axis(a) for a in axes])
    kernel = Loops(
        (dense(dtype, shape), dense(dtype, [a.extent for a in domain])),
        domain,
        (Store(1, tuple(axis(a) for a in domain), reduce(kind, (axes[over],), body)),),
    )
    size = int(np.prod(shape))
    if dtype.is_float:
        x = np.random.default_rng(5).uniform(0.9, 1.1, size).astype(dtype.numpy)
    else:
        x = np.random.default_rng(5).integers(0, 2 if kind == "prod" else 3, size).astype(dtype.numpy)
    tolerance = 1e-4 if dtype is DType.F32 else None
    run(kernel, [x, np.zeros(size // shape[over], dtype.numpy)], target, tolerance=tolerance)


@pytest.mark.parametrize("target", LEVELS, ids=str)
@pytest.mark.parametrize("shape", [(1, 200, 16), (1, 5000, 3), (4, 512, 64), (1, 70000, 1)], ids=str)
def test_the_error_of_a_sum_does_not_grow_with_its_length(target, shape):
    """Over a middle axis, in straight line, by vectors and by scalars; one running sum is off by 5 to 40 times that."""
    a, r, c = (Axis(name, extent) for name, extent in zip("arc", shape))
    value = reduce("sum", (r,), load(0, F32, [axis(a), axis(r), axis(c)]))
    slots = (dense(F32, shape), dense(F32, (a.extent, c.extent)))
    kernel = Loops(slots, (a, c), (Store(1, (axis(a), axis(c)), value),))
    x = np.random.default_rng(6).uniform(0, 1, int(np.prod(shape))).astype(np.float32)
    run(kernel, [x, np.zeros(a.extent * c.extent, np.float32)], target, tolerance=8 * 2.0**-24)


def softmax(rows, columns, dtype=F32):
    a, b, r, q = Axis("a", rows), Axis("b", columns), Axis("r", columns), Axis("q", columns)

    def x(j: Axis) -> Expr:
        return cast(load(0, dtype, [axis(a), axis(j)]), F32)

    top = reduce("max", (r,), x(r))
    total = reduce("sum", (q,), unary("exp", x(q) - top))
    value = cast(unary("exp", x(b) - top) / total, dtype)
    slots = (dense(dtype, (rows, columns)), dense(dtype, (rows, columns)))
    return Loops(slots, (a, b), (Store(1, (axis(a), axis(b)), value),))


@settings(max_examples=20, deadline=None)
@given(
    rows=st.integers(1, 7), columns=extents, target=st.sampled_from(LEVELS), dtype=st.sampled_from([F32, DType.BF16])
)
def test_softmax_rows(rows, columns, target, dtype):
    arrays = [normal([rows, columns], dtype) * dtype.numpy.type(4), np.zeros(rows * columns, dtype.numpy)]
    run(softmax(rows, columns, dtype), [a.astype(dtype.numpy) for a in arrays], target)


@settings(max_examples=15, deadline=None)
@given(rows=st.integers(0, 9), columns=st.integers(0, 70), target=st.sampled_from(LEVELS))
def test_one_kernel_serves_every_dynamic_shape(rows, columns, target):
    kernel = softmax(symbol("rows"), symbol("columns"))
    arrays = [normal([rows, columns]), np.zeros(rows * columns, np.float32)]
    if rows * columns == 0:
        arrays = [np.zeros(0, np.float32)] * 2
    run(kernel, arrays, target, {"rows": rows, "columns": columns})


@pytest.mark.parametrize("target", LEVELS, ids=str)
@pytest.mark.parametrize("shape", [(1, 5, 33), (4, 3, 96), (2, 128, 64)], ids=str)
def test_layer_norm_reads_its_row_statistics_once(target, shape):
    n, m, c = shape
    a, b, i, r, q = Axis("a", n), Axis("b", m), Axis("i", c), Axis("r", c), Axis("q", c)
    row = [axis(a), axis(b)]
    mean = reduce("sum", (r,), load(0, F32, [*row, axis(r)])) / float(c)
    centred = load(0, F32, [*row, axis(q)]) - mean
    variance = reduce("sum", (q,), centred * centred) / float(c)
    scaled = (load(0, F32, [*row, axis(i)]) - mean) / unary("sqrt", variance + 1e-5)
    value = scaled * load(1, F32, [axis(i)]) + load(2, F32, [axis(i)])
    slots = (dense(F32, shape), dense(F32, (c,)), dense(F32, (c,)), dense(F32, shape))
    kernel = Loops(slots, (a, b, i), (Store(3, (*row, axis(i)), value),))
    run(
        kernel, [normal(shape), normal([c], seed=1), normal([c], seed=2), normal(shape, seed=3)], target, tolerance=1e-5
    )


def depthwise(h, w, c, k, stride):
    """Channels last; zero padding by clamped loads under a where."""
    oh, ow = (h + stride - 1) // stride, (w + stride - 1) // stride
    y, x, i = Axis("y", oh), Axis("x", ow), Axis("c", c)
    r, s = Axis("r", k), Axis("s", k)
    py, px = axis(y) * stride + axis(r) - k // 2, axis(x) * stride + axis(s) - k // 2
    inside = binary("and", binary("and", binary("ge", py, 0), binary("lt", py, h)),
                    binary("and", binary("ge", px, 0), binary("lt", px, w)))  # fmt: skip
    cy, cx = (binary("max", binary("min", p, n - 1), 0) for p, n in ((py, h), (px, w)))
    tap = where(inside, load(0, F32, [cy, cx, axis(i)]), const(0.0, F32)) * load(1, F32, [axis(r), axis(s), axis(i)])
    value = binary("max", reduce("sum", (r, s), tap) + load(2, F32, [axis(i)]), 0.0)
    slots = (dense(F32, (h, w, c)), dense(F32, (k, k, c)), dense(F32, (c,)), dense(F32, (oh, ow, c)))
    return Loops(slots, (y, x, i), (Store(3, (axis(y), axis(x), axis(i)), value),))


@pytest.mark.parametrize("target", LEVELS, ids=str)
@pytest.mark.parametrize(
    "h, w, c, k, stride", [(7, 7, 40, 3, 1), (8, 9, 16, 5, 2), (3, 14, 33, 3, 2), (9, 28, 8, 7, 1)]
)
def test_depthwise_convolution(target, h, w, c, k, stride):
    kernel = depthwise(h, w, c, k, stride)
    sizes = [s.shape for s in kernel.slots]
    run(kernel, [normal(s, seed=n) for n, s in enumerate(sizes)], target, tolerance=1e-5)


@pytest.mark.parametrize("target", LEVELS, ids=str)
@pytest.mark.parametrize("w", [7, 30, 33])
def test_max_pool_along_rows_reads_neighbours_under_its_guard(target, w):
    c, h, k = 3, 6, 3
    i, y, x, r, s = Axis("c", c), Axis("y", h), Axis("x", w), Axis("r", k), Axis("s", k)
    py, px = axis(y) + axis(r) - 1, axis(x) + axis(s) - 1
    inside = binary("and", binary("and", binary("ge", py, 0), binary("le", py, h - 1)),
                    binary("and", binary("ge", px, 0), binary("le", px, w - 1)))  # fmt: skip
    cy, cx = (binary("max", binary("min", p, n - 1), 0) for p, n in ((py, h), (px, w)))
    flat = axis(i) * (h * w) + cy * w + cx
    value = reduce("max", (r, s), where(inside, load(0, F32, [flat]), const(-np.inf, F32)))
    kernel = Loops(
        (dense(F32, (c * h * w,)), dense(F32, (c, h, w))), (i, y, x), (Store(1, (axis(i), axis(y), axis(x)), value),)
    )
    run(kernel, [normal([c * h * w]), normal([c * h * w], seed=1)], target)


@pytest.mark.parametrize("target", LEVELS, ids=str)
def test_a_load_outside_its_slot_is_not_made_where_its_condition_fails(target):
    """concat of 20 and 13 elements; the arrays' surroundings hold NaN patterns, a fault would also show at page ends"""
    i = Axis("i", 33)
    value = where(binary("lt", axis(i), 20), load(0, F32, [axis(i)]), load(1, F32, [axis(i) - 20]))
    kernel = Loops((dense(F32, (20,)), dense(F32, (13,)), dense(F32, (33,))), (i,), (Store(2, (axis(i),), value),))
    run(kernel, [normal([20]), normal([13], seed=1), normal([33], seed=2)], target)


@pytest.mark.parametrize("target", LEVELS, ids=str)
@pytest.mark.parametrize("dtype", [DType.I64, DType.I32])
def test_gather_moves_indexes_from_data_into_the_axis(target, dtype):
    rows, columns, n = 11, 21, 9
    i, j = Axis("i", n), Axis("j", columns)
    row = cast(load(1, dtype, [axis(i)]), I64)
    value = load(0, F32, [row, axis(j)])
    slots = (dense(F32, (rows, columns)), dense(dtype, (n,)), dense(F32, (n, columns)))
    kernel = Loops(slots, (i, j), (Store(2, (axis(i), axis(j)), value),))
    index = np.array([0, 10, 3, 3, 7, 1, 2, 9, 5]).astype(dtype.numpy)
    compiled = run(kernel, [normal([rows, columns]), index, normal([n, columns], seed=1)], target)
    wild = np.array([1 << 30, -(1 << 30), 11, -1, 0, 0, 0, 0, 0]).astype(dtype.numpy)
    compiled([normal([rows, columns]), wild, np.zeros(n * columns, np.float32)])


@pytest.mark.parametrize("target", LEVELS, ids=str)
def test_gather_by_columns_is_a_lane_wise_gather(target):
    i, j = Axis("i", 5), Axis("j", 37)
    value = load(0, F32, [axis(i), load(1, I64, [axis(j)])])
    slots = (dense(F32, (5, 50)), dense(I64, (37,)), dense(F32, (5, 37)))
    kernel = Loops(slots, (i, j), (Store(2, (axis(i), axis(j)), value),))
    index = np.random.default_rng(0).integers(0, 50, 37)
    run(kernel, [normal([5, 50]), index, normal([5, 37], seed=1)], target)


@pytest.mark.parametrize("target", LEVELS, ids=str)
def test_quantize_and_dequantize_round_trip_through_bytes(target):
    n = 100
    i = Axis("i", n)
    scaled = unary("round", load(0, F32, [axis(i)]) / 0.05) + 3.0
    quantized = cast(binary("min", binary("max", scaled, -128.0), 127.0), DType.I8)
    restored = cast(cast(quantized, DType.I32) - 3, F32) * 0.05
    slots = (dense(F32, (n,)), dense(DType.I8, (n,)), dense(F32, (n,)))
    kernel = Loops(slots, (i,), (Store(1, (axis(i),), quantized), Store(2, (axis(i),), restored)))
    run(kernel, [normal([n]) * 5, np.zeros(n, np.int8), np.zeros(n, np.float32)], target)


@pytest.mark.parametrize("target", LEVELS, ids=str)
def test_two_stores_see_the_input_as_it_was_when_one_overwrites_it(target):
    n = 50
    i = Axis("i", n)
    x = load(0, F32, [axis(i)])
    kernel = Loops(
        (dense(F32, (n,)), dense(F32, (n,))), (i,), (Store(0, (axis(i),), x + 1.0), Store(1, (axis(i),), x * 2.0))
    )
    run(kernel, [normal([n]), np.zeros(n, np.float32)], target)


@pytest.mark.parametrize("target", LEVELS, ids=str)
def test_nan_goes_through_max_and_min_and_their_reductions(target):
    n = 40
    i, r = Axis("i", 3), Axis("r", n)
    slots = (dense(F32, (3, n)), dense(F32, (3,)), dense(F32, (3,)))
    row = load(0, F32, [axis(i), axis(r)])
    stores = (Store(1, (axis(i),), reduce("max", (r,), row)), Store(2, (axis(i),), reduce("min", (r,), row)))
    x = normal([3, n])
    x[5], x[2 * n + 39] = np.nan, np.nan
    run(Loops(slots, (i,), stores), [x, np.zeros(3, np.float32), np.zeros(3, np.float32)], target)


@pytest.mark.parametrize("target", LEVELS, ids=str)
@pytest.mark.parametrize("dtype", [DType.BF16, DType.F16, DType.U8, DType.I32], ids=str)
@pytest.mark.parametrize("extra", [1, 2, 3])
def test_one_element_beyond_whole_vectors(target, dtype, extra):
    n = 32 + extra
    i = Axis("i", n)
    wide = DType.I64 if dtype.is_integer else F32
    kernel = Loops(
        (dense(wide, (n,)), dense(dtype, (n,))), (i,), (Store(1, (axis(i),), cast(load(0, wide, [axis(i)]), dtype)),)
    )
    run(kernel, [np.arange(n).astype(wide.numpy), np.zeros(n, dtype.numpy)], target)


@pytest.mark.parametrize("target", LEVELS, ids=str)
def test_values_of_axes_and_dims_can_be_data(target):
    n = symbol("n")
    i = Axis("i", n)
    value = cast(axis(i) * 3 + dim(n), F32)
    kernel = Loops((dense(F32, (n,)),), (i,), (Store(0, (axis(i),), value),))
    run(kernel, [np.zeros(37, np.float32)], target, {"n": 37})


@pytest.mark.parametrize("target", LEVELS, ids=str)
def test_every_schedule_gives_the_same_answer(target):
    kernel = depthwise(6, 14, 20, 3, 1)
    arrays = [normal(s.shape, seed=n) for n, s in enumerate(kernel.slots)]
    found = loops.schedules(kernel, target)
    assert len(found) > 4 and len(set(found)) == len(found)
    for schedule in found:
        run(kernel, arrays, target, schedule=schedule, tolerance=1e-5)


def test_tiny_work_is_serial_and_large_work_is_shared():
    target = TARGETS[2]
    assert loops.schedules(softmax(1, 16), target)[0]["split"] == "serial"
    assert loops.schedules(softmax(512, 512), target)[0]["split"] == "units"


@pytest.mark.parametrize("target", TARGETS, ids=str)
def test_what_is_offered_for_some_sizes_is_legal_and_foreign_schedules_are_not(target):
    kernel = softmax(symbol("rows"), symbol("columns"))
    offered = [loops.schedules(kernel, target, {"rows": r, "columns": c}) for r, c in ((1, 8), (3, 4096), (512, 512))]
    assert all(loops.legal(kernel, schedule, target) for found in offered for schedule in found)
    assert len({tuple(found) for found in offered}) > 1
    options = dict(offered[0][0].options)
    for change in ({"width": 3}, {"vector": 7}, {"split": "halves"}, {"width": 4, "block": 3}):
        assert not loops.legal(kernel, Schedule.of("loops", **(options | change)), target)
    assert not loops.legal(kernel, Schedule.of("contraction", **options), target)


def test_half_conversions_are_exact_on_every_level():
    bits = np.arange(1 << 16, dtype=np.uint16)
    for dtype in (DType.F16, DType.BF16):
        i = Axis("i", 1 << 16)
        slots = (dense(dtype, (1 << 16,)), dense(F32, (1 << 16,)), dense(dtype, (1 << 16,)))
        wide = cast(load(0, dtype, [axis(i)]), F32)
        kernel = Loops(
            slots, (i,), (Store(1, (axis(i),), wide), Store(2, (axis(i),), cast(wide * 1.0009765625, dtype)))
        )
        for target in LEVELS:
            x, y, z = bits.view(dtype.numpy), np.zeros(1 << 16, np.float32), np.zeros(1 << 16, dtype.numpy)
            Compiled(lambda c: loops.emit(c, kernel, loops.schedules(kernel, target)[0], "k"), target)([x, y, z])  # noqa: B023
            with np.errstate(all="ignore"):
                np.testing.assert_array_equal(y, x.astype(np.float32))
                expected = (x.astype(np.float32) * np.float32(1.0009765625)).astype(dtype.numpy)
            np.testing.assert_array_equal(z.astype(np.float32), expected.astype(np.float32))


def test_equal_kernels_give_equal_bytes():
    kernel = softmax(5, 77)
    schedule = loops.schedules(kernel, TARGETS[2])[0]
    first, second = (Compiled(lambda c: loops.emit(c, kernel, schedule, "k"), TARGETS[2]).code for _ in range(2))
    assert first == second


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("varies", [False, True])
def test_a_sum_that_is_the_same_in_all_lanes_is_read_only_where_its_where_lets_it(varies, target):
    """out[i, j] = sum_k x[i, k] if i < 5 else 7, along j in vectors; and the same if the condition varies with j"""
    i, j, k = Axis("i", 8), Axis("j", 40), Axis("k", 300)
    test = binary("lt", axis(i), 5)
    test = binary("and", test, binary("lt", axis(j), 31)) if varies else test
    value = where(test, reduce("sum", (k,), load(0, F32, [axis(i) * 300 + axis(k)])), const(7.0, F32))
    kernel = Loops(
        (dense(F32, (5 * 300,)), dense(F32, (8 * 40,))), (i, j), (Store(1, (axis(i) * 40 + axis(j),), value),)
    )
    schedule = next(
        s for s in loops.schedules(kernel, target, {}) if "vector=1 width=" in str(s) and "width=1 " not in str(s)
    )
    arrays = [normal((5 * 300,)), np.zeros(8 * 40, np.float32)]
    compiled = run(kernel, arrays, target, schedule=schedule, tolerance=1e-4)
    assert "zeros" in str(compiled.module)  # what a guarded load reads where its condition fails
