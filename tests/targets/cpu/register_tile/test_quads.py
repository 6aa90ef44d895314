"""Integer products of byte quads: the sums of int64 bit by bit at every level, with the instruction and without."""

from __future__ import annotations

import ctypes
import dataclasses
import mmap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.target import Target
from burnish.targets.cpu.contraction import template as contraction
from tests.targets.cpu.contractions import Case, check, convolution, matmul
from tests.targets.cpu.run_kernel import TARGETS, on_machines, runnable

WITH_VNNI = Target("cpu", "x86-64-v4", ("vnni",))
LEVELS = on_machines((*TARGETS, WITH_VNNI))
BEST = max((t for t in (*TARGETS, WITH_VNNI) if runnable(t)), key=lambda t: t.rank)
Operands = tuple[DType, DType]
OPERANDS = [(DType.U8, DType.I8), (DType.I8, DType.I8), (DType.U8, DType.I16), (DType.I8, DType.I16)]


def in_quads(case: Case, target: Target, **options: int) -> Schedule:
    found = next(s for s in contraction.schedules(case.kernel, target, {}) if s["form"] == "quads")
    made = Schedule.of("contraction", **(dict(found.options) | options))
    assert contraction.legal(case.kernel, made, target)
    return made


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize(("a", "b"), OPERANDS)
@pytest.mark.parametrize("shape", [(5, 7, 3), (2, 5, 5), (30, 48, 16), (1, 100, 37)])
def test_products_are_exact_at_every_level(target: Target, a: DType, b: DType, shape: tuple[int, int, int]) -> None:
    case = matmul(*shape, dtype=a, b_dtype=b, epilogue="residual")
    check(case, in_quads(case, target), target, (1, 2))


@settings(max_examples=25, deadline=None)
@given(
    m=st.integers(1, 40), n=st.integers(1, 70), k=st.integers(2, 70), batch=st.integers(1, 3),
    operands=st.sampled_from(OPERANDS), shared=st.booleans(), pick=st.integers(0, 99),
    unroll=st.sampled_from([1, 4, 8, 16]), symbols=st.sets(st.sampled_from(["batch", "m"])),
)  # fmt: skip
def test_any_product_with_any_schedule_is_exact(
    m: int, n: int, k: int, batch: int, operands: Operands, shared: bool, pick: int, unroll: int, symbols: set[str]
) -> None:
    symbols -= set() if shared else {"batch"}
    a, b = operands
    case = matmul(m, n, k, batch=batch, dtype=a, b_dtype=b, shared_b=shared, symbols=sorted(symbols), a_pad=3)
    found = [s for s in contraction.schedules(case.kernel, BEST) if s["form"] == "quads"]
    options = dict(found[pick % len(found)].options) | {"unroll": unroll}
    check(case, Schedule.of("contraction", **options), BEST, (1, 2))


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize(("a", "b"), OPERANDS)
def test_convolutions_are_exact_at_every_level(target: Target, a: DType, b: DType) -> None:
    for case in (
        convolution(3, 5, 3, 20, 7, 2, dtype=a, b_dtype=b),
        convolution(8, 8, 4, 6, groups=3, batch=2, dtype=a, b_dtype=b),
        convolution(4, 5, 2, 9, 1, dtype=a, b_dtype=b),
    ):
        check(case, in_quads(case, target), target, (1, 2))


@pytest.mark.parametrize("a", [DType.U8, DType.I8])
@pytest.mark.parametrize(
    "shape",
    [
        {"height": 7, "width": 7, "c": 32, "o": 48},
        {"height": 6, "width": 5, "c": 16, "o": 24, "kernel_size": 1, "stride": 2, "pad_channels": 16},
        {"height": 9, "width": 4, "c": 5, "o": 8, "dilation": 2},
        {"height": 4, "width": 4, "c": 8, "o": 16, "batch": 3, "batch_symbol": True},
        {"height": 6, "width": 7, "c": 8, "o": 17, "out_first": True},
    ],
    ids=["3x3", "1x1s2", "dilated", "symbolic batch", "channels first"],
)
def test_convolutions_of_every_kind_are_exact(a: DType, shape: dict[str, int]) -> None:
    case = convolution(**shape, dtype=a, b_dtype=DType.I8)  # type: ignore[arg-type]
    for schedule in contraction.schedules(case.kernel, BEST)[:2]:
        check(case, schedule, BEST, (1, 2))


@pytest.mark.parametrize("spread", [0, 2])
@pytest.mark.parametrize("prefetch", [0, 8])
@pytest.mark.parametrize("a", [DType.U8, DType.I8])
def test_asking_memory_ahead_changes_no_answer(a: DType, spread: int, prefetch: int) -> None:
    for case in (
        matmul(30, 70, 37, dtype=a, b_dtype=DType.I8),
        matmul(17, 50, 8, dtype=a, b_dtype=DType.I8, symbols=["m"]),
        convolution(6, 5, 5, 40, groups=3, dtype=a, b_dtype=DType.I8),
    ):
        made = in_quads(case, BEST, block=0, rows=4, spread=spread, prefetch=prefetch, serial=False)
        check(case, made, BEST)


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("a", [DType.U8, DType.I8])
def test_the_largest_products_do_not_saturate(target: Target, a: DType) -> None:
    case = matmul(3, 17, 66, dtype=a, b_dtype=DType.I8)
    case.a[:], case.b[:] = (255 if a is DType.U8 else -128), -128
    expected = np.full_like(case.expected, 66 * (255 if a is DType.U8 else -128) * -128)
    check(dataclasses.replace(case, expected=expected), in_quads(case, target), target, (1,))


def test_a_sum_wraps_as_integers_of_32_bits_do() -> None:
    case = matmul(1, 16, 140_000, dtype=DType.U8, b_dtype=DType.I8)
    case.a[:], case.b[:] = 255, 127
    wrapped = (140_000 * 255 * 127 + (1 << 31)) % (1 << 32) - (1 << 31)
    expected = np.full_like(case.expected, wrapped)
    check(dataclasses.replace(case, expected=expected), in_quads(case, BEST), BEST, (1,))


@pytest.mark.parametrize("inner", [2, 3, 5, 6, 7, 21])
def test_no_byte_past_the_operand_is_read(inner: int) -> None:
    """The last row ends where memory does: the bytes after it belong to nobody."""
    case = convolution(3, 3, inner, 8, 1, dtype=DType.U8, b_dtype=DType.I8)
    whole = np.frombuffer(mmap.mmap(-1, 2 * mmap.PAGESIZE), np.uint8)
    a = whole[mmap.PAGESIZE - case.a.size : mmap.PAGESIZE]
    a[:] = case.a
    beyond = ctypes.c_void_p(whole.ctypes.data + mmap.PAGESIZE)
    assert ctypes.CDLL(None).mprotect(beyond, ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    check(dataclasses.replace(case, a=a), in_quads(case, BEST), BEST, (1,))


def test_the_cost_model_prefers_quads_with_vnni_and_for_weights_of_16_bits() -> None:
    case = matmul(64, 256, 512, dtype=DType.U8, b_dtype=DType.I8)
    assert contraction.schedules(case.kernel, WITH_VNNI, {})[0]["form"] == "quads"
    wide = matmul(64, 256, 512, dtype=DType.U8, b_dtype=DType.I16)
    for target in (*TARGETS, WITH_VNNI):
        assert contraction.schedules(wide.kernel, target, {})[0]["form"] == "quads"
