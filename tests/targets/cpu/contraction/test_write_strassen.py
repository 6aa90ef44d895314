"""The strassen form against float64: seven products of halves give what eight give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.target import Target
from burnish.targets.cpu.contraction import halves
from burnish.targets.cpu.contraction import template as contraction
from burnish.targets.cpu.contraction.options import ContractionOptions
from tests.targets.cpu.contractions import Case, check, convolution, matmul
from tests.targets.cpu.run_kernel import TARGETS, runnable

BEST = max((t for t in TARGETS if runnable(t)), key=lambda t: t.vector_bytes)
LEVELS = [
    pytest.param(t, id=t.level, marks=[] if runnable(t) else pytest.mark.skip("this machine lacks it")) for t in TARGETS
]


def halved(target: Target, **changes: object) -> Schedule:
    lanes = target.vector_bytes // 4
    options = ContractionOptions("strassen", 6, 2, lanes, 4, 0, False, 0, 4, 0, False)
    return replace(options, **changes).schedule  # type: ignore[arg-type]


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("shape", [(4, 64, 64), (2, 64, 32), (65, 128, 96), (26, 192, 1600)])
def test_products_of_halves_are_right_at_every_level(target: Target, shape: tuple[int, int, int]) -> None:
    """Among them odd rows, and a k of several blocks."""
    case = matmul(*shape, epilogue="residual", a_pad=3, out_pad=5)
    check(case, halved(target), target)


@pytest.mark.parametrize("threads", [1, 2, 5, 16])
def test_any_number_of_threads_shares_row_tiles_and_panels(threads: int) -> None:
    check(matmul(37, 192, 64, epilogue="bias"), halved(BEST, rows=4), BEST, (threads,))


@pytest.mark.parametrize("threads", [1, 2])
def test_row_tiles_come_in_groups_where_their_left_sides_need_much_memory(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(halves, "_GROUP_BYTES", 100_000)
    case = matmul(101, 128, 320)
    schedule = halved(BEST, rows=4)
    sizes = halves.Halves(101, 128, 320, 32, 4)
    assert 1 < sizes.tiles < 13
    check(case, schedule, BEST, (threads,))


def test_a_constant_of_16_bits_is_widened_when_it_is_packed() -> None:
    check(matmul(20, 64, 64, dtype=DType.F32, b_dtype=DType.BF16), halved(BEST), BEST)


def test_rounding_errors_are_a_few_times_those_of_the_direct_sum() -> None:
    case = matmul(128, 128, 512)
    direct = next(s for s in contraction.schedules(case.kernel, BEST) if s["form"] == "tile")
    errors = [np.abs(check(case, s, BEST, (1,)) - case.expected).max() for s in (direct, halved(BEST))]
    assert errors[1] < 6 * errors[0]


def not_halved(**other: object) -> Case:
    return matmul(*other.pop("shape", (64, 64, 64)), **other)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("why", "case", "changes"),
    [
        ("columns that no two panels divide", not_halved(shape=(64, 96, 64)), {}),
        ("half of k that is no whole vectors", not_halved(shape=(64, 64, 48)), {}),
        ("one row", not_halved(shape=(1, 64, 64)), {}),
        ("another dtype", not_halved(dtype=DType.F64), {}),
        ("a B that is no constant", not_halved(b_layout="rows"), {}),
        ("rows of unknown number", not_halved(symbols=["m"]), {}),
        ("several products", not_halved(batch=2, shared_b=False), {}),
        ("windows", convolution(8, 8, 64, 64), {}),
        ("an option that it does not have", not_halved(), {"block": 2}),
        ("another option that it does not have", not_halved(), {"axis": 0, "spread": 2}),
    ],
)  # fmt: skip
def test_what_it_cannot_halve_is_not_legal(why: str, case: Case, changes: dict[str, int]) -> None:
    del why
    assert not contraction.legal(case.kernel, halved(BEST, lanes=16, **changes), BEST)
