"""The tiles form: the bits of the tile products' own arithmetic, any shape, layout, epilogue and number of threads."""

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
from tests.targets.cpu.contractions import check, convolution, matmul
from tests.targets.cpu.run_kernel import BEST, TARGETS, on_machines
from tests.targets.cpu.tile_cases import CASES, SHAPES, in_tiles

Array = np.ndarray[Any, Any]
BF16, U8, I8 = DType.BF16, DType.U8, DType.I8
WITH_TILES = parse_target("cpu:x86-64-v4+amx")
LEVELS = on_machines((*TARGETS, Target("cpu", "x86-64-v4", ("bf16",))))


@pytest.mark.parametrize("name", CASES)
def test_any_product_is_right_in_units_of_any_shape(name: str) -> None:
    case = CASES[name]
    for n, (rows, vectors) in enumerate(SHAPES[:4]):
        check(case, in_tiles(case, rows, vectors, block=n % 3, spread=(0, 2)[n % 2]), BEST, (1, 3))


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("name", ["odd depth", "3x3", "u8s8", "symbolic rows"])
def test_every_level_emulates_tiles(target: Target, name: str) -> None:
    check(CASES[name], in_tiles(CASES[name]), target, (2,))


@settings(max_examples=20, deadline=None)
@given(
    m=st.integers(0, 70), n=st.integers(1, 70), k=st.integers(2, 140), batch=st.integers(1, 3),
    dtypes=st.sampled_from([(BF16, BF16), (U8, I8), (I8, I8)]), shape=st.sampled_from(SHAPES), spread=st.booleans(),
    shared=st.booleans(), block=st.integers(0, 3), symbols=st.sets(st.sampled_from(["batch", "m"])),
)  # fmt: skip
def test_any_size_is_right(
    m: int, n: int, k: int, batch: int, dtypes: tuple[DType, DType], shape: tuple[int, int], spread: bool,
    shared: bool, block: int, symbols: set[str],
) -> None:  # fmt: skip
    symbols -= set() if shared else {"batch"}
    m = m if "m" in symbols else max(m, 1)
    case = matmul(m, n, k, batch=batch, dtype=dtypes[0], b_dtype=dtypes[1], shared_b=shared, symbols=sorted(symbols),
                  epilogue="residual", a_pad=3, out_pad=1)  # fmt: skip
    check(case, in_tiles(case, *shape, block=block, spread=2 * spread), BEST, (1, 2))


@pytest.mark.parametrize("rows", [1, 2, 4])
@pytest.mark.parametrize("name", ["3x3", "stem", "grouped"])
def test_rows_of_a_small_image_are_row_tiles(name: str, rows: int) -> None:
    case = CASES[name]
    check(case, in_tiles(case, rows, 1, axis=1, fold=True), BEST, (1, 2))


FLAT = ["3x3", "3x3 of images", "3x3 of bytes", "stem", "1x1 strided", "1x1 into a halo", "1x1 of images into a halo",
        "grouped", "dilated", "images"]  # fmt: skip


@pytest.mark.parametrize("name", FLAT)
def test_rows_run_on_over_the_ends_of_an_image_s_rows(name: str) -> None:
    case = CASES[name]
    first = check(case, in_tiles(case), BEST, (1,))
    same = dataclasses.replace(case, expected=first, tolerance=0.0)
    for rows, vectors in SHAPES[:4]:
        check(same, in_tiles(case, rows, vectors, fold=True, spread=2), BEST, (1, 3))


# -- the arithmetic, written once more -----------------------------------------------------------------------------


def multiply_add(a: Array, b: Array, c: Array) -> Array:
    """One rounding to f32: the product of two bf16 is exact in f64."""
    return (a.astype(np.float64) * b.astype(np.float64) + c.astype(np.float64)).astype(np.float32)


def tile_sums(a: Array, b: Array, run: int, step: int) -> Array:
    """[rows, K] times [K, columns], K cut into runs, and these into steps: even and odd k summed apart, from zero."""
    total = np.zeros((len(a), b.shape[1]), np.float32)
    for start in range(0, a.shape[1], run):
        for first in range(start, start + run, step):
            chains = [np.zeros_like(total), np.zeros_like(total)]
            for n, k in enumerate(range(first, min(first + step, start + run))):
                chains[n % 2] = multiply_add(a[:, k, None], b[None, k], chains[n % 2])
            total = total + (chains[0] + chains[1])
    return total


@pytest.mark.parametrize("target", [t for t in LEVELS if t.values[0].level != "x86-64-v2"])
@pytest.mark.parametrize(("depth", "step"), [(32, 32), (64, 32), (96, 24), (37, 20), (37, 32), (6, 2), (300, 30)])
def test_sums_have_the_bits_of_tile_products(target: Target, depth: int, step: int) -> None:
    case = matmul(35, 40, depth, dtype=BF16, epilogue="none")
    a = np.asarray(case.a[: 35 * depth]).reshape(35, depth).astype(np.float32)
    sums = tile_sums(a, case.b.astype(np.float32), depth, step)
    assert not np.array_equal(sums, tile_sums(a, case.b.astype(np.float32), depth, 2)) or step == 2
    exact = dataclasses.replace(case, expected=sums[None], tolerance=0.0)
    check(exact, in_tiles(case, unroll=step), target, (1, 2))


def test_a_step_does_not_cross_the_end_of_an_image_row() -> None:
    case = convolution(5, 6, 6, 20, dtype=BF16, b_dtype=BF16)
    run, step = 3 * 6, 16  # three taps of a row lie side by side
    x = np.asarray(case.a).reshape(7, 8, 6).astype(np.float32)
    patches = np.stack([x[r : r + 5, s : s + 6] for r in range(3) for s in range(3)], axis=2).reshape(30, 9 * 6)
    weight = case.b.astype(np.float32).reshape(9 * 6, 20)
    sums = np.maximum(tile_sums(patches, weight, run, step) + case.others[0].astype(np.float32), np.float32(0))
    exact = dataclasses.replace(case, expected=sums.reshape(1, 5, 6, 20), tolerance=0.0)
    check(exact, in_tiles(case, unroll=step), BEST, (1, 2))


@pytest.mark.parametrize("step", [22, 24, 30, 32])
def test_gathered_runs_are_summed_as_one(step: int) -> None:
    case = convolution(9, 9, 3, 20, 7, dtype=BF16, b_dtype=BF16)
    x = np.asarray(case.a).reshape(15, 15, 3).astype(np.float32)
    patches = np.stack([x[r : r + 9, s : s + 9] for r in range(7) for s in range(7)], axis=2).reshape(81, 147)
    run = 147 if step > 22 else 21  # 22 holds a run of 21, and its rest of zeros
    sums = tile_sums(patches, case.b.astype(np.float32).reshape(147, 20), run, step)
    exact = np.maximum(sums + case.others[0].astype(np.float32), np.float32(0)).reshape(1, 9, 9, 20)
    same = dataclasses.replace(case, expected=exact, tolerance=0.0)
    for block in (0, 1):
        check(same, in_tiles(case, unroll=step, block=block), BEST, (1, 2))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_shape_of_units_changes_no_bit(shape: tuple[int, int]) -> None:
    case = CASES["many rows"]
    first = check(case, in_tiles(case), BEST, (1,))
    check(dataclasses.replace(case, expected=first, tolerance=0.0), in_tiles(case, *shape), BEST, (1, 2, 3))


def test_infinite_values_beyond_a_row_do_no_harm() -> None:
    case = matmul(20, 16, 37, dtype=BF16, a_pad=11)
    rows = np.asarray(case.a)
    for start in range(37, len(rows), 48):
        rows[start : start + 11] = np.inf
    check(case, in_tiles(case), BEST, (1,))


@pytest.mark.parametrize("name", CASES)
def test_tiles_and_their_emulation_give_the_same_bits(name: str) -> None:
    if supports(WITH_TILES):
        pytest.skip(f"this machine lacks {', '.join(supports(WITH_TILES))}")
    case = CASES[name]
    for n, (rows, vectors) in enumerate(SHAPES):
        schedule = in_tiles(case, rows, vectors, block=n % 3, spread=(0, 2)[n % 2])
        emulated = check(case, schedule, BEST, (1,))
        check(dataclasses.replace(case, expected=emulated, tolerance=0.0), schedule, WITH_TILES, (1, 2))
    if name in FLAT:
        flat = in_tiles(case, fold=True)
        check(dataclasses.replace(case, expected=emulated, tolerance=0.0), flat, WITH_TILES, (1, 2))


# -- schedules -----------------------------------------------------------------------------------------------------


def test_tiles_are_chosen_where_the_target_has_them_only() -> None:
    for case in (matmul(128, 768, 768, dtype=BF16), convolution(14, 14, 64, 64, dtype=BF16, b_dtype=BF16)):
        assert contraction.schedules(case.kernel, WITH_TILES, {})[0]["form"] == "tiles"
        for target in (BEST, Target("cpu", "x86-64-v4", ("bf16", "vnni"))):
            assert "tiles" not in {s["form"] for s in contraction.schedules(case.kernel, target, {})}


def test_rows_of_small_images_run_on_where_that_fills_row_tiles() -> None:
    def first(size: int, taps: int = 3, **how: int) -> Schedule:
        kernel = convolution(size, size, 64, 64, taps, dtype=BF16, b_dtype=BF16, **how).kernel
        return contraction.schedules(kernel, WITH_TILES, {})[0]

    for schedule, rows in ((first(7), 32), (first(7, 1, out_halo=2), 26), (first(5), 18)):
        assert (schedule["axis"], schedule["fold"], schedule["rows"]) == (0, True, rows)
    for schedule in (first(14), first(28), first(56)):
        assert (schedule["axis"], schedule["fold"], schedule["rows"]) == (0, False, 28)
    assert first(10)["fold"] is False  # ten rows of sixteen cost less than gaps of two in twelve
    assert first(7, stride=2)["axis"] == 1  # its rows lie 16 apart


@pytest.mark.parametrize("name", CASES)
def test_chosen_schedules_are_right(name: str) -> None:
    case = CASES[name]
    found = [s for s in contraction.schedules(case.kernel, WITH_TILES, case.sizes) if s["form"] == "tiles"]
    assert found or name not in ("many rows", "deep", "3x3", "stem", "u8s8", "symbolic rows of bytes")
    for schedule in found:
        check(case, schedule, BEST, (2,))


def test_what_tiles_cannot_do_is_illegal() -> None:
    case = CASES["many rows"]
    good = dict(in_tiles(case).options)
    changes = ({"unroll": 34}, {"unroll": 3}, {"rows": 80}, {"vectors": 3}, {"lanes": 8}, {"fold": True}, {"axis": 2})
    for change in (*changes, {"prefetch": 8}, {"rows": 0}):
        assert not contraction.legal(case.kernel, Schedule.of("contraction", **(good | change)), WITH_TILES)
    for other in (matmul(8, 8, 8), matmul(8, 8, 8, dtype=BF16, b_layout="rows"), matmul(8, 8, 8, b_dtype=BF16)):
        assert not contraction.legal(other.kernel, Schedule.of("contraction", **good), WITH_TILES)
