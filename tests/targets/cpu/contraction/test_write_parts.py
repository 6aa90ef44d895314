"""The parts form: f32 by the tile unit is as exact as by multiply-adds, and rows do not touch each other."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.devices.cpu.processor import supports
from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.target import Target, parse_target
from burnish.targets.cpu.contraction import template as contraction
from tests.targets.cpu.contraction.test_write_tiles import BF16, FLAT
from tests.targets.cpu.contractions import as_aligned, check, matmul
from tests.targets.cpu.part_cases import PART_CASES, PART_SHAPES, in_parts
from tests.targets.cpu.run_kernel import BEST, TARGETS, on_machines

Array = np.ndarray[Any, Any]
WITH_TILES = parse_target("cpu:x86-64-v4+amx")
LEVELS = on_machines((*TARGETS, Target("cpu", "x86-64-v4", ("bf16",))))


@pytest.mark.parametrize("name", PART_CASES)
def test_any_product_is_right_in_units_of_any_shape(name: str) -> None:
    case = PART_CASES[name]
    for n, (rows, vectors) in enumerate(PART_SHAPES[:3]):
        check(case, in_parts(case, rows, vectors, block=1 + 3 * n, spread=(0, 2)[n % 2]), BEST, (1, 3))


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("name", ["odd depth", "3x3", "symbolic rows"])
def test_every_level_emulates_parts(target: Target, name: str) -> None:
    check(PART_CASES[name], in_parts(PART_CASES[name]), target, (2,))


@settings(max_examples=15, deadline=None)
@given(
    m=st.integers(0, 70), n=st.integers(1, 70), k=st.integers(2, 140), batch=st.integers(1, 3),
    shape=st.sampled_from(PART_SHAPES), spread=st.booleans(), shared=st.booleans(), block=st.integers(1, 3),
    symbols=st.sets(st.sampled_from(["batch", "m"])),
)  # fmt: skip
def test_any_size_is_right(
    m: int, n: int, k: int, batch: int, shape: tuple[int, int], spread: bool, shared: bool, block: int,
    symbols: set[str],
) -> None:  # fmt: skip
    symbols -= set() if shared else {"batch"}
    m = m if "m" in symbols else max(m, 1)
    case = matmul(m, n, k, batch=batch, shared_b=shared, symbols=sorted(symbols), epilogue="residual",
                  a_pad=3, out_pad=1)  # fmt: skip
    check(case, in_parts(case, *shape, block=block, spread=2 * spread), BEST, (1, 2))


@pytest.mark.parametrize("name", [n for n in FLAT if n in PART_CASES])
def test_rows_run_on_over_the_ends_of_an_image_s_rows(name: str) -> None:
    case = PART_CASES[name]
    same = dataclasses.replace(case, expected=check(case, in_parts(case), BEST, (1,)), tolerance=0.0)
    for rows, vectors in PART_SHAPES[:3]:
        check(same, in_parts(case, rows, vectors, fold=True, spread=2), BEST, (1, 3))


@pytest.mark.parametrize("name", ["3x3", "stem", "grouped"])
def test_rows_of_a_small_image_are_row_tiles(name: str) -> None:
    case = PART_CASES[name]
    for rows in (1, 2):
        check(case, in_parts(case, rows, 1, axis=1, fold=True), BEST, (1, 2))


@pytest.mark.parametrize("name", ["many rows", "in two slabs", "in three slabs"])
def test_shapes_of_units_blocks_slabs_and_threads_change_no_bit(name: str) -> None:
    case = PART_CASES[name]
    same = dataclasses.replace(case, expected=check(case, in_parts(case, block=1), BEST, (1,)), tolerance=0.0)
    for n, shape in enumerate(PART_SHAPES):
        check(same, in_parts(case, *shape, block=(8, 4, 2)[n % 3]), BEST, (1, 2, 3))


@pytest.mark.parametrize("name", PART_CASES)
def test_parts_and_their_emulation_give_the_same_bits(name: str) -> None:
    if supports(WITH_TILES):
        pytest.skip(f"this machine lacks {', '.join(supports(WITH_TILES))}")
    case = PART_CASES[name]
    for n, (rows, vectors) in enumerate(PART_SHAPES):
        schedule = in_parts(case, rows, vectors, block=1 + n, spread=(0, 2)[n % 2])
        emulated = check(case, schedule, BEST, (1,))
        check(dataclasses.replace(case, expected=emulated, tolerance=0.0), schedule, WITH_TILES, (1, 2))


# -- exactness -----------------------------------------------------------------------------------------------------


def product(a: Array, b: Array, block: int = 2) -> Array:
    """a @ b by a kernel in parts, whatever it is."""
    (m, depth), n = a.shape, b.shape[1]
    case = matmul(m, n, depth)
    with np.errstate(all="ignore"):
        expected = np.full((1, m, n), np.nan)
    case = dataclasses.replace(case, a=as_aligned(a), b=np.ascontiguousarray(b), expected=expected, tolerance=np.inf)
    return run(case, in_parts(case, block=block))


def run(case: Any, schedule: Schedule) -> Array:
    """What a kernel stores, without a comparison."""
    from tests.targets.cpu.run_kernel import Compiled, aligned

    compiled = Compiled(lambda context: contraction.emit(context, case.kernel, schedule, "kernel"), BEST)
    b = as_aligned(contraction.pack(case.kernel, schedule, 1, case.b))
    out = aligned(case.expected.size * 4).view(np.float32)
    compiled([case.a, b, out], {}, 1, contraction.scratch_bytes(case.kernel, schedule))
    return out.reshape(case.expected.shape[1:])


def multiply_adds(a: Array, b: Array) -> Array:
    """One f32 multiply-add after the other: each rounds once, after an exact product (f64 holds it)."""
    sums = np.zeros((len(a), b.shape[1]), np.float32)
    for k in range(a.shape[1]):
        sums = (a[:, k, None].astype(np.float64) * b[None, k].astype(np.float64) + sums).astype(np.float32)
    return sums


def numbers(kind: str, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    x = rng.standard_normal(shape)
    if kind == "wide":  # of magnitudes between 1e-6 and 1e6
        x *= 10.0 ** rng.uniform(-6, 6, shape)
    elif kind == "positive":
        x = np.abs(x)
    elif kind == "full":  # mantissas of ones: the terms left out are as large as they get
        x = np.sign(x) * (1 + 127.5 / 128 * (1 - 2.0**-16))
    return x.astype(np.float32)


@pytest.mark.parametrize("depth", [64, 768, 4096])
@pytest.mark.parametrize("kind", ["normal", "wide", "positive", "full", "cancelling"])
def test_the_error_is_at_most_that_of_multiply_adds(kind: str, depth: int) -> None:
    rng = np.random.default_rng(depth)
    a, b = numbers(kind, (40, depth), rng), numbers(kind, (depth, 24), rng)
    if kind == "cancelling":  # each number comes a second time, with the other sign and a small change
        half = depth // 2
        a[:, half:], b[half:] = -a[:, :half], b[:half] * np.float32(1 + 2.0**-12)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    size = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)  # an f32 sum is right relative to this
    ours, theirs = (np.abs(found - exact) / size for found in (product(a, b), multiply_adds(a, b)))
    assert ours.mean() <= theirs.mean() and ours.max() <= 1.25 * max(theirs.max(), 2.0**-22)


def test_a_large_row_does_not_touch_its_neighbours() -> None:
    rng = np.random.default_rng(0)
    a, b = numbers("normal", (40, 512), rng), numbers("normal", (512, 24), rng)
    alone = product(a, b)
    for factor in (1e6, 1e30, np.inf, np.nan):
        with np.errstate(all="ignore"):
            large = a.copy()
            large[7] *= np.float32(factor)
            found = product(large, b)
        others = np.arange(40) != 7
        assert np.array_equal(found[others], alone[others])


def test_infinity_nan_and_overflow_are_those_of_f32() -> None:
    rng = np.random.default_rng(1)
    a, b = numbers("normal", (40, 96), rng), numbers("normal", (96, 40), rng)
    most = np.finfo(np.float32).max
    a[1, 5], a[2, 5], a[3, 5], a[4, 5:7] = np.inf, -np.inf, np.nan, [np.inf, -np.inf]
    a[5, 40], a[6, 41], a[20] = most, -most, 0  # they round to infinity as bf16
    a[7, :2], b[:2, 9] = [1.5e38, -1.5e38], [2.0, 1.99]
    b[40, 3], b[41, 3], b[90, 4], b[91, 5], b[5, 6] = most, 0.25, np.inf, np.nan, 0.0
    with np.errstate(all="ignore"):
        expected = multiply_adds(a, b)
    found = product(a, b)
    assert np.isnan(expected).any() and np.isinf(expected).any() and np.isfinite(expected[5]).any()
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    special = ~np.isfinite(expected)
    assert np.array_equal(found[special & ~np.isnan(expected)], expected[special & ~np.isnan(expected)])
    with np.errstate(all="ignore"):
        size = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
        assert (np.abs(found - expected)[~special] <= 2.0**-20 * size[~special]).all()


def test_infinity_lies_in_any_unit_slab_and_tail() -> None:
    case = PART_CASES["in two slabs"]
    a = np.array(case.a, copy=True).reshape(270, 1024)
    places = [(0, 0), (37, 1023), (269, 512), (268, 3)]
    for place in places:
        a[place] = np.inf
    expected = np.array(case.expected, copy=True)
    for row, k in places:
        expected[0, row] = np.where(case.b[k] > 0, np.inf, -np.inf)
    spiked = dataclasses.replace(case, a=as_aligned(a), expected=expected)
    for block in (1, 3, 8):
        check(spiked, in_parts(case, block=block), BEST, (1, 2))


# -- schedules -----------------------------------------------------------------------------------------------------


def test_parts_are_chosen_where_the_target_has_tiles_only() -> None:
    for case in (matmul(1024, 768, 768), matmul(1024, 768, 3072)):
        assert contraction.schedules(case.kernel, WITH_TILES, {})[0]["form"] == "parts"
        for target in (BEST, Target("cpu", "x86-64-v4", ("bf16", "vnni"))):
            assert "parts" not in {s["form"] for s in contraction.schedules(case.kernel, target, {})}


def test_few_rows_stay_f32_since_parts_are_more_bytes_of_weights() -> None:
    for rows in (1, 8):
        assert contraction.schedules(matmul(rows, 768, 768).kernel, WITH_TILES, {})[0]["form"] != "parts"


@pytest.mark.parametrize("name", PART_CASES)
def test_chosen_schedules_are_right(name: str) -> None:
    case = PART_CASES[name]
    found = [s for s in contraction.schedules(case.kernel, WITH_TILES, case.sizes) if s["form"] == "parts"]
    assert found or name not in ("many rows", "in two slabs", "3x3", "stem")
    for schedule in found:
        check(case, schedule, BEST, (2,))


def test_what_parts_cannot_do_is_illegal() -> None:
    case = PART_CASES["many rows"]
    good = dict(in_parts(case).options)
    changes = ({"unroll": 34}, {"unroll": 3}, {"rows": 64}, {"vectors": 3}, {"lanes": 8}, {"axis": 2}, {"block": 0})
    for change in (*changes, {"block": 33}, {"prefetch": 8}, {"rows": 0}, {"vectors": 4, "rows": 16}):
        assert not contraction.legal(case.kernel, Schedule.of("contraction", **(good | change)), WITH_TILES)
    for other in (matmul(8, 8, 8, dtype=BF16), matmul(8, 8, 8, b_layout="rows"), matmul(8, 8, 8, dtype=DType.F64)):
        assert not contraction.legal(other.kernel, Schedule.of("contraction", **good), WITH_TILES)
