"""The gate itself, contractions.py: a kernel whose answer is wrong, or that writes elsewhere, does not pass."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from burnish.targets.cpu.contraction import template as contraction
from tests.targets.cpu.contractions import Case, check, matmul
from tests.targets.cpu.run_kernel import TARGETS, Compiled, runnable

TARGET = max((t for t in TARGETS if runnable(t)), key=lambda t: t.vector_bytes)
WRONG: dict[str, Callable[[Case], Case]] = {
    "operand 1 % too large": lambda case: replace(case, a=case.a * np.float32(1.01)),
    "operand of zeros": lambda case: replace(case, a=np.zeros_like(case.a)),
    "operand shifted by an element": lambda case: replace(case, a=np.roll(case.a, 1)),
    "operand that is not a number": lambda case: replace(case, a=case.a * np.float32(np.nan)),
    "other weights": lambda case: replace(case, b=np.roll(case.b, 1)),
}


def run(case: Case) -> None:
    check(case, contraction.schedules(case.kernel, TARGET)[0], TARGET, (2,))


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_is_rejected(wrong: str) -> None:
    case = matmul(6, 6, 6, b_layout="rows")
    run(case)
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        run(WRONG[wrong](case))


def test_threads_that_leave_elements_out_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Compiled.__call__
    monkeypatch.setattr(
        Compiled, "__call__", lambda self, slots, dims, threads, *more: whole(self, slots, dims, threads, *more, only=1)
    )
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        run(matmul(64, 64, 64, b_layout="rows"))


@pytest.mark.parametrize("byte", [-1, 6 * 6 * 4], ids=["before", "behind"])
def test_a_store_beside_the_output_is_rejected(monkeypatch: pytest.MonkeyPatch, byte: int) -> None:
    whole = Compiled.__call__

    def astray(self, slots, dims, threads, *more):  # type: ignore[no-untyped-def]
        whole(self, slots, dims, threads, *more)
        ctypes.memset(slots[2].ctypes.data + byte, 1, 1)  # 77.0 has no such byte

    monkeypatch.setattr(Compiled, "__call__", astray)
    with pytest.raises(AssertionError, match="wrote outside its output"):
        run(matmul(6, 6, 6, b_layout="rows"))
