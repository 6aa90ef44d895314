"""The loops template against numpy in f64, in Triton's interpreter: layouts, dtypes, odd shapes, dynamic dims."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from burnish.dims import evaluate, symbol
from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.kernels.slot import Slot
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, axis, binary, cast, const, dim, load, reduce, unary, where
from burnish.target import parse_target
from burnish.targets.cuda.loops import template as loops
from tests.targets.cpu.reference_loops import Reference, dense
from tests.targets.cuda.interpret import interpret
from tests.targets.cuda.loops_tasks import at, depthwise, layer_norm, softmax

F32, I64 = DType.F32, DType.I64
HOPPER = parse_target("cuda:sm_90a")
TOLERANCE = {DType.F32: 3e-6, DType.F64: 1e-13, DType.F16: 2e-3, DType.BF16: 2e-2}


def check(kernel: Loops, arrays, dims=None, schedule=None, target=HOPPER):
    """Interpret on arrays with other bytes around them; compare with the oracle."""
    dims = dims or {}
    schedule = schedule or loops.schedules(kernel, target, dims)[0]
    source = loops.emit(kernel, schedule, target)
    written = {s.slot for s in kernel.stores}
    expected = Reference(kernel, arrays, dims).run()
    if any(evaluate(extent, dims) == 0 for extent in source.grid):
        return source
    got = {n: a.copy() for n, a in enumerate(arrays)}
    interpret(source, got, dims, written=written)
    for n in written:
        dtype = kernel.slots[n].dtype
        if dtype.is_float:
            a, b = got[n].astype(np.float64), expected[n].astype(np.float64)
            np.testing.assert_allclose(a, b, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype], err_msg=str(schedule))
        else:
            np.testing.assert_array_equal(got[n], expected[n], err_msg=str(schedule))
    return source


def spread(found, count):
    """Some of many schedules, the best one first."""
    return found[:: max(1, len(found) // count)]


def normal(shape, dtype=F32, seed=0):
    values = np.random.default_rng(seed).standard_normal(int(np.prod(shape))) * 3
    return values.astype(dtype.numpy)


def out(count, dtype=F32):
    return np.full(count, 77, dtype.numpy)


@pytest.mark.parametrize("dtype", [F32, DType.F16, DType.BF16, DType.F64, DType.I32, DType.U8, I64], ids=str)
@pytest.mark.parametrize("shape", [(1,), (5, 3), (2, 3, 37), (17, 64)], ids=str)
def test_pointwise_with_broadcasting(shape, dtype):
    axes = [Axis(f"i{n}", d) for n, d in enumerate(shape)]
    row = dense(dtype, shape[-1:])
    value = load(0, dtype, at(*axes)) + load(1, dtype, at(axes[-1]))
    kernel = Loops((dense(dtype, shape), row, dense(dtype, shape)), tuple(axes), (Store(2, tuple(at(*axes)), value),))
    count = int(np.prod(shape))
    arrays = [np.abs(normal(shape)).astype(dtype.numpy), np.abs(normal(shape[-1:], seed=1)).astype(dtype.numpy)]
    check(kernel, [*arrays, out(count, dtype)])


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
def test_transposes(order):
    shape = (5, 33, 18)
    axes = [Axis(f"i{n}", shape[p]) for n, p in enumerate(order)]
    index = [None] * 3
    for n, p in enumerate(order):
        index[p] = axis(axes[n])
    result = dense(F32, [shape[p] for p in order])
    kernel = Loops((dense(F32, shape), result), tuple(axes), (Store(1, tuple(at(*axes)), load(0, F32, index)),))
    found = loops.schedules(kernel, HOPPER, {})
    for schedule in spread(found, 3):
        check(kernel, [normal(shape), out(5 * 33 * 18)], schedule=schedule)


@pytest.mark.parametrize("kind", ["sum", "max", "min", "prod"])
@pytest.mark.parametrize("which", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)], ids=str)
def test_reductions_over_any_axis(which, kind):
    shape = (3, 7, 20)
    axes = [Axis(f"i{n}", d) for n, d in enumerate(shape)]
    reduced = [axes[n] for n in which]
    kept = tuple(a for a in axes if a not in reduced)
    value = reduce(kind, reduced, load(0, F32, at(*axes)))
    result = dense(F32, [a.extent for a in kept])
    kernel = Loops((dense(F32, shape), result), kept, (Store(1, tuple(at(*kept)), value),))
    arrays = [np.clip(normal(shape), -1.2, 1.2), out(int(np.prod([a.extent for a in kept])))]
    for schedule in spread(loops.schedules(kernel, HOPPER, {}), 4):
        check(kernel, arrays, schedule=schedule)


@pytest.mark.parametrize("dtype", [DType.I32, I64, DType.F16, DType.F64, DType.BOOL], ids=str)
def test_reductions_of_any_dtype(dtype):
    i, r = Axis("i0", 4), Axis("r", 50)
    for kind in ("max", "min") if dtype is DType.BOOL else ("sum", "max", "min"):
        value = reduce(kind, [r], load(0, dtype, at(i, r)))
        kernel = Loops((dense(dtype, (4, 50)), dense(dtype, (4,))), (i,), (Store(1, tuple(at(i)), value),))
        arrays = [(normal((4, 50)) > 0 if dtype is DType.BOOL else normal((4, 50))).astype(dtype.numpy), out(4, dtype)]
        check(kernel, arrays)


def test_an_empty_reduction_gives_its_neutral_value():
    i, r = Axis("i0", 3), Axis("r", 0)
    for kind, want in (("sum", 0), ("prod", 1), ("max", -np.inf), ("min", np.inf)):
        value = reduce(kind, [r], load(0, F32, at(i, r)))
        kernel = Loops((Slot(F32, (3, 1), (1, 1)), dense(F32, (3,))), (i,), (Store(1, tuple(at(i)), value),))
        y = out(3)
        source = loops.emit(kernel, loops.schedules(kernel, HOPPER, {})[0], HOPPER)
        interpret(source, {0: normal((3,)), 1: y})
        np.testing.assert_array_equal(y, np.full(3, want))


@pytest.mark.parametrize("columns", [1, 7, 64, 100])
def test_softmax_in_one_pass_and_in_several(columns):
    kernel = softmax(5, columns)
    found = loops.schedules(kernel, HOPPER, {})
    whole = [s for s in found if s["block"] >= columns]
    chunks = [s for s in found if s["block"] < columns]
    assert whole
    for schedule in (whole[0], *chunks[:1], *chunks[-1:]):
        source = check(kernel, [normal((5, columns)), out(5 * columns)], schedule=schedule)
        assert source.text.count("tl.load") == (1 if schedule in whole else 3)


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16], ids=str)
def test_softmax_of_half_floats_is_computed_in_f32(dtype):
    check(softmax(3, 50, dtype), [normal((3, 50), dtype), out(150, dtype)])


@pytest.mark.parametrize("rows, columns", [(1, 1), (3, 40), (5, 130)])
def test_one_source_serves_every_dynamic_shape(rows, columns):
    n, m = symbol("n"), symbol("m")
    kernel = softmax(n, m)
    sizes = {"n": 8, "m": 100}
    for schedule in spread(loops.schedules(kernel, HOPPER, sizes), 2):
        check(kernel, [normal((rows, columns)), out(rows * columns)], {"n": rows, "m": columns}, schedule)


@pytest.mark.parametrize("shape", [(1, 5), (5, 33), (4, 96), (2, 200)], ids=str)
def test_layer_norm_in_one_pass_and_in_several(shape):
    kernel = layer_norm(*shape)
    arrays = [normal(shape), normal(shape[1:], seed=1), out(int(np.prod(shape)))]
    for schedule in spread(loops.schedules(kernel, HOPPER, {}), 4):
        source = check(kernel, arrays, schedule=schedule)
        if schedule["block"] >= shape[1]:
            assert source.text.count("tl.load(slot0") == 1


def test_reductions_within_reductions():
    i, j, r, s = Axis("i0", 3), Axis("i1", 5), Axis("r1_0", 6), Axis("r0_0", 9)
    inner = reduce("max", [s], load(0, F32, at(i, r, s)))
    outer = reduce("sum", [r], inner * load(1, F32, at(r, j)))
    slots = (dense(F32, (3, 6, 9)), dense(F32, (6, 5)), dense(F32, (3, 5)))
    kernel = Loops(slots, (i, j), (Store(2, tuple(at(i, j)), outer),))
    arrays = [normal((3, 6, 9)), normal((6, 5), seed=1), out(15)]
    for schedule in spread(loops.schedules(kernel, HOPPER, {}), 6):
        check(kernel, arrays, schedule=schedule)


def test_a_reduction_over_columns_of_reductions_that_depend_on_them():
    i, r, s = Axis("i0", 4), Axis("r1_0", 40), Axis("r0_0", 3)
    value = reduce("max", [r], reduce("sum", [s], load(0, F32, at(i, s, r))))
    kernel = Loops((dense(F32, (4, 3, 40)), dense(F32, (4,))), (i,), (Store(1, tuple(at(i)), value),))
    for schedule in spread(loops.schedules(kernel, HOPPER, {}), 4):
        check(kernel, [normal((4, 3, 40)), out(4)], schedule=schedule)


@pytest.mark.parametrize("h, w, c, k, stride", [(5, 7, 8, 3, 1), (8, 5, 5, 3, 2), (5, 6, 16, 5, 1), (4, 9, 4, 7, 1)])
def test_depthwise_convolution(h, w, c, k, stride):
    kernel, count = depthwise(1, h, w, c, k, stride)
    arrays = [normal((1, h, w, c)), normal((k, k, c), seed=1), out(count)]
    for schedule in spread(loops.schedules(kernel, HOPPER, {}), 2):
        check(kernel, arrays, schedule=schedule)


@pytest.mark.parametrize("k, stride, repeat", [(3, 1, 4), (3, 2, 2), (5, 1, 4), (7, 1, 2), (7, 1, 4)])
def test_neighbouring_windows_share_what_they_read(k, stride, repeat):
    width = 8 * stride
    kernel, count = depthwise(1, 3, width, 8, k, stride)
    arrays = [normal((1, 3, width, 8)), normal((k, k, 8), seed=1), out(count)]
    options = {"columns": 1, "across": -1, "rows": 4, "block": 8, "down": False, "repeat": repeat, "warps": 1}
    source = check(kernel, arrays, schedule=Schedule.of("loops", **options))
    if k == 3:
        assert source.text.count("tl.load(slot0") == 3 * (k + (repeat - 1) * stride)


def test_global_average_pooling_has_programs_for_few_channels_each():
    n, c, r = Axis("i0", 2), Axis("i1", 256), Axis("r0_0", 49)
    value = reduce("sum", [r], load(0, F32, at(n, r, c))) * const(1 / 49, F32)
    kernel = Loops((dense(F32, (2, 49, 256)), dense(F32, (2, 256))), (n, c), (Store(1, tuple(at(n, c)), value),))
    found = loops.schedules(kernel, HOPPER, {})
    grid = loops.emit(kernel, found[0], HOPPER).grid
    assert grid[0] >= 4
    for schedule in spread(found, 2):
        check(kernel, [normal((2, 49, 256)), out(2 * 256)], schedule=schedule)


@pytest.mark.parametrize("dtype", [I64, DType.I32], ids=str)
def test_gather_keeps_indexes_from_data_inside(dtype):
    i, j = Axis("i0", 6), Axis("i1", 10)
    index = cast(load(1, dtype, at(i)), I64)
    kernel = Loops(
        (dense(F32, (4, 10)), dense(dtype, (6,)), dense(F32, (6, 10))), (i, j),
        (Store(2, tuple(at(i, j)), load(0, F32, [index, axis(j)])),),
    )  # fmt: skip
    check(kernel, [normal((4, 10)), np.array([3, 0, 1, 2, 3, 3], dtype.numpy), out(60)])
    source = loops.emit(kernel, loops.schedules(kernel, HOPPER, {})[0], HOPPER)
    interpret(source, {0: normal((4, 10)), 1: np.array([9, -9, 100, 2, 3, 3], dtype.numpy), 2: out(60)}, written={2})


def test_a_load_outside_its_slot_is_not_made_where_its_condition_fails():
    i = Axis("i0", 10)
    part = load(0, F32, [axis(i) - 4])
    value = where(binary("ge", axis(i), const(4, I64)), part, load(1, F32, [axis(i)]))
    kernel = Loops((dense(F32, (6,)), dense(F32, (4,)), dense(F32, (10,))), (i,), (Store(2, tuple(at(i)), value),))
    check(kernel, [normal((6,)), normal((4,), seed=1), out(10)])


def test_nan_goes_through_max_and_its_reduction():
    i, r = Axis("i0", 3), Axis("r", 9)
    x = normal((3, 9))
    x[[2, 13]] = np.nan
    value = binary("max", reduce("max", [r], load(0, F32, at(i, r))), const(0.0, F32))
    kernel = Loops((dense(F32, (3, 9)), dense(F32, (3,))), (i,), (Store(1, tuple(at(i)), value),))
    check(kernel, [x, out(3)])


def test_two_stores_see_the_input_as_it_was_when_one_overwrites_it():
    i = Axis("i0", 100)
    x = load(0, F32, at(i))
    slot = dense(F32, (100,))
    kernel = Loops((slot, slot), (i,), (Store(0, tuple(at(i)), x * 2.0), Store(1, tuple(at(i)), x + 1.0)))
    check(kernel, [normal((100,)), out(100)])


def test_values_of_axes_and_dims_can_be_data():
    n = symbol("n")
    i = Axis("i0", n)
    value = axis(i) * 3_000_000_000 + dim(n)
    kernel = Loops((dense(I64, (n,)),), (i,), (Store(0, tuple(at(i)), value),))
    check(kernel, [out(37, I64)], {"n": 37})


def test_a_scalar_and_an_empty_domain():
    scalar = Loops((dense(F32, ()), dense(F32, ())), (), (Store(1, (), unary("neg", load(0, F32, []))),))
    check(scalar, [normal((1,)), out(1)])
    n = symbol("n")
    i = Axis("i0", n)
    none = Loops((dense(F32, (n,)), dense(F32, (n,))), (i,), (Store(1, tuple(at(i)), load(0, F32, at(i))),))
    source = check(none, [normal((1,)), out(1)], {"n": 0})
    assert evaluate(source.grid[0], {"n": 0}) == 0


def test_a_result_that_memory_has_in_another_order_is_stored_by_neighbours():
    c, h = Axis("i0", 64), Axis("i1", 50)
    result = Slot(F32, (64, 50), (1, 64))
    value = unary("neg", load(0, F32, at(c, h)))
    kernel = Loops((Slot(F32, (64, 50), (1, 64)), result), (c, h), (Store(1, tuple(at(c, h)), value),))
    check(kernel, [normal((3200,)), out(3200)])


def test_reverse_strides():
    i, j = Axis("i0", 4), Axis("i1", 30)
    value = load(0, F32, [axis(i), const(29, I64) - axis(j)])
    kernel = Loops((dense(F32, (4, 30)), dense(F32, (4, 30))), (i, j), (Store(1, tuple(at(i, j)), value),))
    check(kernel, [normal((4, 30)), out(120)])
