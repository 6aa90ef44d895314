"""B in f16 and in pairs of bf16, with the instruction and without: float64's answers, the instruction's own bits."""

from __future__ import annotations

import dataclasses

import pytest

from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.target import Target
from burnish.targets.cpu.contraction import template as contraction
from tests.targets.cpu.contractions import Case, check, convolution, matmul
from tests.targets.cpu.run_kernel import BEST, TARGETS, on_machines, runnable

WITH_BF16 = Target("cpu", "x86-64-v4", ("bf16",))
LEVELS = on_machines((*TARGETS, WITH_BF16))


def in_form(case: Case, form: str, target: Target, **options: int) -> Schedule:
    found = next(s for s in contraction.schedules(case.kernel, target, {}) if s["form"] != "dot")
    made = Schedule.of("contraction", **(dict(found.options) | {"form": form, **options}))
    assert contraction.legal(case.kernel, made, target)
    return made


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("shape", [(1, 1, 2), (5, 7, 3), (49, 33, 64), (1, 100, 37), (30, 48, 16), (3, 10, 131)])
def test_pairs_of_bf16_are_right(target: Target, shape: tuple[int, int, int]) -> None:
    case = matmul(*shape, dtype=DType.BF16, b_dtype=DType.BF16, epilogue="residual")
    for unroll in (1, 2, 4):
        check(case, in_form(case, "pairs", target, unroll=unroll), target, (1, 2))


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16])
@pytest.mark.parametrize("shape", [(1, 1, 2), (5, 7, 3), (49, 33, 64), (3, 10, 131)])
def test_halves_widened_at_each_use_are_right(target: Target, dtype: DType, shape: tuple[int, int, int]) -> None:
    case = matmul(*shape, dtype=DType.F32, b_dtype=dtype, epilogue="bias")
    check(case, in_form(case, "narrow", target, block=0), target, (1, 2))


@pytest.mark.parametrize("form", ["pairs", "narrow"])
@pytest.mark.parametrize("spread", [0, 2])
@pytest.mark.parametrize("prefetch", [0, 8])
@pytest.mark.parametrize("case", [
    matmul(30, 70, 37, dtype=DType.BF16), matmul(17, 50, 8, dtype=DType.BF16, symbols=["m"]),
    matmul(20, 33, 11, batch=2, shared_b=False, dtype=DType.BF16),
], ids=["odd depth", "symbolic rows", "batched"])  # fmt: skip
def test_asking_memory_ahead_changes_no_answer(case: Case, spread: int, prefetch: int, form: str) -> None:
    check(case, in_form(case, form, BEST, block=0, rows=4, spread=spread, prefetch=prefetch, serial=False), BEST)


@pytest.mark.parametrize("shape", [(7, 7, 32, 48), (5, 9, 3, 20, 7, 2), (6, 6, 16, 40, 1)])
def test_convolutions_of_pairs_are_right(shape: tuple[int, ...]) -> None:
    case = convolution(*shape, dtype=DType.BF16, b_dtype=DType.BF16)
    check(case, in_form(case, "pairs", BEST), BEST, (1, 2))


@pytest.mark.skipif(not runnable(WITH_BF16), reason="this machine has no vdpbf16ps")
@pytest.mark.parametrize("depth", [2, 3, 64, 131])
def test_the_emulated_sums_are_those_of_the_instruction_bit_by_bit(depth: int) -> None:
    case = matmul(30, 48, depth, dtype=DType.BF16, b_dtype=DType.BF16)
    plain = Target("cpu", "x86-64-v4")
    schedule = in_form(case, "pairs", plain)
    instruction = check(case, schedule, WITH_BF16, (1,))
    check(dataclasses.replace(case, expected=instruction, tolerance=0.0), schedule, plain, (1,))


@pytest.mark.parametrize("a", [DType.F32, DType.F16])
def test_pairs_are_for_a_narrow_left_operand_alone(a: DType) -> None:
    case = matmul(4, 32, 32, dtype=a, b_dtype=DType.BF16)
    made = Schedule.of("contraction", **(dict(in_form(case, "narrow", BEST).options) | {"form": "pairs"}))
    assert not contraction.legal(case.kernel, made, BEST)
