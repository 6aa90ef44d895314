"""What the rows of a contraction's register tile run over."""

from __future__ import annotations

import pytest

from burnish.dtypes import DType
from burnish.kernels.contraction_runs import analyse
from burnish.targets.cpu.contraction.tile_rows import flat_rows, rows_of
from tests.kernels.test_contraction_runs import convolution
from tests.targets.cpu.tile_cases import CASES


def test_folded_rows_step_over_whole_inner_runs() -> None:
    rows = rows_of(analyse(convolution()), 1, True)
    assert rows.tiled.extent == 6 and rows.per_step == 7 and rows.outer == ()
    assert rows.offsets(2) == (*range(0, 56, 8), *range(72, 128, 8))
    flat = rows_of(analyse(convolution()), 0, False)
    assert flat.per_step == 1 and [r.extent for r in flat.outer] == [6]


@pytest.mark.parametrize(
    ("name", "widths", "extent", "outer"),
    [
        ("3x3", (9,), 6 * 9 + 7, 0), ("3x3 of images", (9,), 6 * 9 + 7, 1), ("1x1 strided", (9,), 5 * 9 + 5, 0),
        ("1x1 into a halo", (7, 7), 2 * 49, 0),
    ],
)  # fmt: skip
def test_flat_rows_run_over_gaps_of_rows_and_over_images_that_have_none(
    name: str, widths: tuple[int, ...], extent: int, outer: int
) -> None:
    flat = flat_rows(analyse(CASES[name].kernel))
    assert flat is not None and (flat.widths, flat.tiled.extent, len(flat.outer)) == (widths, extent, outer)
    assert CASES[name].kernel.slots[0].dtype is DType.BF16


@pytest.mark.parametrize("name", ["many rows", "symbolic batch", "symbolic rows"])
def test_one_run_of_rows_and_rows_of_any_number_are_not_flat(name: str) -> None:
    assert flat_rows(analyse(CASES[name].kernel)) is None


def test_images_without_gaps_may_be_of_any_number() -> None:
    flat = flat_rows(analyse(CASES["1x1 of images into a halo"].kernel))
    assert flat is not None and str(flat.tiled.extent) == "15*batch" and flat.outer == ()
