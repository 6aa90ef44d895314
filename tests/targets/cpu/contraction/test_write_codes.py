"""Products of weights in few bits against float64: every width, block, zero point, row count, level and schedule."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.target import Target
from burnish.targets.cpu.contraction import template as contraction
from tests.targets.cpu.contractions import check
from tests.targets.cpu.few_bit_products import product_of_codes
from tests.targets.cpu.run_kernel import BEST, on_machines, runnable

LEVELS = on_machines()
ZEROS = [None, DType.U8, DType.F32, DType.F16]


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("zero", [None, DType.U8], ids=["symmetric", "zeros"])
def test_few_and_many_rows_at_every_level(target: Target, bits: int, zero: DType | None) -> None:
    for m, n, k, size in ((1, 70, 100, 32), (3, 33, 77, 16), (19, 70, 100, 32)):
        case = product_of_codes(m, n, k, bits=bits, size=size, zero=zero)
        check(case, contraction.schedules(case.kernel, target)[0], target)


@pytest.mark.parametrize("size", [16, 32, 64, 128, 256])
@pytest.mark.parametrize("zero", ZEROS, ids=str)
def test_blocks_of_every_size_whole_and_ragged(size: int, zero: DType | None) -> None:
    for depth in (size, 2 * size, size + 1, 3 * size - 5, 7):
        case = product_of_codes(2, 20, depth, size=size, zero=zero)
        check(case, contraction.schedules(case.kernel, BEST)[0], BEST, (1,))


@pytest.mark.parametrize("target", LEVELS[1:])
def test_one_kernel_for_any_number_of_rows(target: Target) -> None:
    schedule = None
    for rows in (1, 2, 3, 4, 5, 8, 9, 11, 12, 33):
        case = product_of_codes(rows, 50, 24, size=16, zero=DType.U8, is_symbolic=True, rows_apart=3)
        schedule = schedule or contraction.schedules(case.kernel, target, {"m": 40})[0]
        check(case, schedule, target, (1, 2))


@pytest.mark.parametrize("m", [1, 5, 20])
def test_every_schedule_is_right(m: int) -> None:
    case = product_of_codes(m, 130, 24, size=16, batch=2, rows_apart=5)
    found = contraction.schedules(case.kernel, BEST)
    assert len({s["vectors"] for s in found}) > 2
    for schedule in found[:6]:
        check(case, schedule, BEST, (1,))


@pytest.mark.parametrize("scale", [DType.F16, DType.BF16])
@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16])
def test_halves_are_widened(scale: DType, dtype: DType) -> None:
    for m in (2, 17):
        case = product_of_codes(m, 40, 64, scale=scale, dtype=dtype)
        check(case, contraction.schedules(case.kernel, BEST)[0], BEST, (1,))


def test_infinities_in_the_data_do_not_become_nan() -> None:
    case = product_of_codes(1, 16, 32)
    case.a[0] = np.inf
    codes = case.b[0].astype(np.int64)
    sign = np.sign(np.where(codes > 7, codes - 16, codes) * case.others[0].reshape(1, 16)[0])
    with np.errstate(invalid="ignore"):
        case.expected = (np.inf * sign).reshape(1, 1, 16)
    check(case, contraction.schedules(case.kernel, BEST)[0], BEST, (1,))


def test_other_forms_and_kernels_do_not_mix() -> None:
    case = product_of_codes(4, 32, 64)
    schedule = contraction.schedules(case.kernel, BEST)[0]
    assert schedule["form"] == "codes"
    options = dict(schedule.options)
    assert not contraction.legal(case.kernel, type(schedule).of("contraction", **{**options, "form": "tile"}), BEST)
    assert not contraction.legal(case.kernel, type(schedule).of("contraction", **{**options, "lanes": 32}), BEST)


WITH_PAIRS = Target("cpu", "x86-64-v4", ("bf16",))


@pytest.mark.skipif(not runnable(WITH_PAIRS), reason="this machine has no products of bf16 pairs")
@pytest.mark.parametrize("bits", [2, 4])
@pytest.mark.parametrize("zero", ZEROS, ids=str)
def test_bf16_data_are_multiplied_by_pairs_of_codes(bits: int, zero: DType | None) -> None:
    """No rounding of a weight: as close to float64 as sums of f32 are."""
    for m, n, k, size in ((1, 70, 100, 32), (3, 33, 77, 16), (19, 70, 101, 64), (2, 9, 33, 16), (12, 40, 7, 32)):
        case = product_of_codes(m, n, k, bits=bits, size=size, zero=zero, dtype=DType.BF16)
        for schedule in contraction.schedules(case.kernel, WITH_PAIRS)[:3]:
            check(case, schedule, WITH_PAIRS, (1, 2))
