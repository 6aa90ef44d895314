"""unit.py: the cut of the depth into steps, of pixels into row tiles, and what a unit costs."""

from __future__ import annotations

import dataclasses

import pytest

from burnish.dtypes import DType
from burnish.kernels.contraction_runs import analyse
from burnish.targets.cpu.contraction.unit import (
    Unit,
    in_slabs,
    parts_cycles,
    rows_along,
    step_of,
    unit_cycles,
    unit_of,
)
from tests.targets.cpu.contractions import convolution, matmul

UNIT = Unit(rows=2, columns=2, height=16, step=32, item=2, inner=768, runs=1)


@pytest.mark.parametrize(
    ("dtype", "depth", "step"),
    [
        (DType.BF16, 768, 32), (DType.BF16, 80, 20), (DType.BF16, 100, 20), (DType.BF16, 72, 24), (DType.BF16, 64, 32),
        (DType.BF16, 3, 4), (DType.BF16, 33, 18), (DType.BF16, 37, 20), (DType.U8, 768, 64), (DType.U8, 80, 40),
        (DType.U8, 100, 52), (DType.U8, 147, 52),
    ],
)  # fmt: skip
def test_steps_are_few_and_equal_if_they_can_be(dtype: DType, depth: int, step: int) -> None:
    kernel = matmul(20, 20, depth, dtype=dtype).kernel
    assert step_of(kernel, analyse(kernel)) == step


def test_a_step_lies_within_the_taps_that_are_side_by_side_in_memory() -> None:
    kernel = convolution(8, 8, 24, 16, dtype=DType.BF16, b_dtype=DType.BF16).kernel
    assert step_of(kernel, analyse(kernel)) == 24  # three taps of 24 channels are a run of 72


def test_short_runs_and_runs_that_end_within_a_step_are_gathered() -> None:
    stem = convolution(112, 112, 3, 64, 7, 2, dtype=DType.BF16, b_dtype=DType.BF16).kernel
    shape = analyse(stem)  # 7 runs of 7 taps x 3 channels
    unit = unit_of(stem, shape, 32, 2, step_of(stem, shape), False)
    assert (unit.pieces, unit.inner, unit.step, unit.steps, unit.tail) == (7, 147, 30, 5, 0)
    assert unit.scratch_bytes == 64 + 2 * 4096 + 32 * 320
    whole = convolution(8, 8, 32, 16, dtype=DType.BF16, b_dtype=DType.BF16, pad_channels=16).kernel
    assert unit_of(whole, analyse(whole), 8, 1, 32, False).pieces == 1


@pytest.mark.parametrize(
    ("pixels", "row_tiles", "rows"), [(196, 2, 28), (49, 2, 26), (49, 4, 52), (128, 2, 32), (16, 1, 16), (5, 1, 5)]
)
def test_row_tiles_are_equally_high_and_their_number_fits_the_units(pixels: int, row_tiles: int, rows: int) -> None:
    shape = analyse(matmul(pixels, 20, 64, dtype=DType.BF16).kernel)
    assert rows_along(shape.pixels[-1], row_tiles, True) == rows


def test_rows_of_unknown_number_get_whole_tiles() -> None:
    shape = analyse(matmul(5, 20, 64, dtype=DType.BF16, symbols=["m"]).kernel)
    assert rows_along(shape.pixels[-1], 2, True) == 32


def test_a_rest_of_the_depth_needs_a_step_and_room_for_its_copy() -> None:
    ragged = dataclasses.replace(UNIT, inner=770, runs=3)
    assert (UNIT.steps, UNIT.tail) == (24, 0) and (ragged.steps, ragged.tail) == (75, 2)
    assert UNIT.scratch_bytes == 64 + 2 * 4096 and ragged.scratch_bytes == UNIT.scratch_bytes + 2048


def test_low_tiles_rests_and_long_epilogues_cost_more() -> None:
    base = unit_cycles(UNIT, 768) / (2 * 16)
    assert unit_cycles(dataclasses.replace(UNIT, height=8), 768) / (2 * 8) > 1.1 * base
    assert unit_cycles(dataclasses.replace(UNIT, inner=737), 768) > unit_cycles(UNIT, 768)
    shallow = dataclasses.replace(UNIT, inner=32)
    assert unit_cycles(shallow, 768) > unit_cycles(UNIT, 768) / 24


@pytest.mark.parametrize(
    ("depth", "held", "slabs"), [(768, 8, 1), (3072, 8, 4), (3072, 1, 1), (1024, 8, 2), (800, 8, 1)]
)
def test_a_deep_product_of_parts_is_cut_so_that_split_rows_stay_in_a_cache(depth: int, held: int, slabs: int) -> None:
    unit = in_slabs(dataclasses.replace(UNIT, inner=depth), 768, held)
    assert unit.slabs == slabs and unit.slabs * unit.slab_steps == unit.steps and unit.copies_bytes < 1.4 * 2**20
    sums = 2 if slabs == 1 else unit.panels * held  # those that wait for the next slab
    assert unit.scratch_bytes == 64 + sums * 4096 + unit.copies_bytes


def test_a_depth_that_has_no_even_cut_stays_whole() -> None:
    assert in_slabs(dataclasses.replace(UNIT, inner=32 * 97), 768, 8).slabs == 1


def test_constants_of_three_parts_are_six_bytes() -> None:
    unit = in_slabs(UNIT, 768, 8)
    assert unit.steps * unit.step_bytes * unit.panels == 6 * 768 * 768


def test_few_columns_pay_for_rows_that_are_split() -> None:
    unit = in_slabs(UNIT, 768, 8)
    assert parts_cycles(unit, 32) > 1.1 * parts_cycles(unit, 768) > 1.1 * 6 * unit_cycles(UNIT, 768) / 1.5
