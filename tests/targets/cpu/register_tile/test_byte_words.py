"""Integer products by vpmaddubsw: the sums of int64 bit by bit at every level, for any weights and any data."""

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

LEVELS = on_machines()
BEST = max((t for t in TARGETS if runnable(t)), key=lambda t: t.rank)
WEIGHTS = {
    "least": lambda shape, rng: np.full(shape, -128),
    "greatest": lambda shape, rng: np.full(shape, 127),
    "least and greatest": lambda shape, rng: rng.choice([-128, 127], shape),
    "64": lambda shape, rng: rng.choice([-64, 64], shape),
    "65": lambda shape, rng: rng.choice([-65, 65], shape),
    "129 in a pair": lambda shape, rng: np.where(np.indices(shape).sum(0) % 2, 127, 2),
    "few large ones": lambda shape, rng: np.where(rng.random(shape) < 0.05, 127, rng.integers(-20, 21, shape)),
}


def in_words(case: Case, target: Target, **options: int) -> Schedule:
    found = next(s for s in contraction.schedules(case.kernel, target, {}) if s["form"] == "bytes")
    made = Schedule.of("contraction", **(dict(found.options) | options))
    assert contraction.legal(case.kernel, made, target)
    return made


def of_weights(case: Case, weights: np.ndarray, data: int | None = None) -> Case:
    """A case of one matrix, with these weights and, if given, all data equal."""
    case.b[...] = weights
    if data is not None:
        case.a[:] = data
    m, k = case.expected.shape[-2], weights.shape[-2]
    rows = case.a.reshape(m, k).astype(np.int64)
    return dataclasses.replace(case, expected=(rows @ weights.astype(np.int64)).reshape(case.expected.shape))


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("a", [DType.U8, DType.I8])
@pytest.mark.parametrize("shape", [(5, 7, 4), (2, 5, 5), (30, 48, 16), (1, 100, 37)])
def test_products_are_exact_at_every_level(target: Target, a: DType, shape: tuple[int, int, int]) -> None:
    case = matmul(*shape, dtype=a, b_dtype=DType.I8, epilogue="residual")
    check(case, in_words(case, target), target, (1, 2))


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("a", [DType.U8, DType.I8])
@pytest.mark.parametrize("kind", WEIGHTS)
def test_no_weights_and_no_data_saturate(target: Target, a: DType, kind: str) -> None:
    rng = np.random.default_rng(len(kind))
    for k in (4, 7, 66):
        case = matmul(3, 17, k, dtype=a, b_dtype=DType.I8)
        weights = WEIGHTS[kind](case.b.shape, rng).astype(np.int8)
        for data in (255, 0, 1) if a is DType.U8 else (-128, 127, 0):
            check(of_weights(case, weights, data), in_words(case, target), target, (1,))


@settings(max_examples=25, deadline=None)
@given(
    m=st.integers(1, 40), n=st.integers(1, 70), k=st.integers(4, 70), batch=st.integers(1, 3),
    a=st.sampled_from([DType.U8, DType.I8]), shared=st.booleans(), pick=st.integers(0, 99),
    unroll=st.sampled_from([1, 4, 8, 16]), symbols=st.sets(st.sampled_from(["batch", "m"])),
)  # fmt: skip
def test_any_product_with_any_schedule_is_exact(
    m: int, n: int, k: int, batch: int, a: DType, shared: bool, pick: int, unroll: int, symbols: set[str]
) -> None:
    symbols -= set() if shared else {"batch"}
    case = matmul(m, n, k, batch=batch, dtype=a, b_dtype=DType.I8, shared_b=shared, symbols=sorted(symbols), a_pad=3)
    found = [s for s in contraction.schedules(case.kernel, BEST) if s["form"] == "bytes"]
    options = dict(found[pick % len(found)].options) | {"unroll": unroll}
    check(case, Schedule.of("contraction", **options), BEST, (1, 2))


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("a", [DType.U8, DType.I8])
@pytest.mark.parametrize(
    "shape",
    [
        {"height": 7, "width": 7, "c": 32, "o": 48},
        {"height": 6, "width": 5, "c": 16, "o": 24, "kernel_size": 1, "stride": 2, "pad_channels": 16},
        {"height": 9, "width": 4, "c": 5, "o": 8, "dilation": 2},
        {"height": 8, "width": 8, "c": 4, "o": 6, "groups": 3, "batch": 2},
        {"height": 4, "width": 4, "c": 8, "o": 16, "batch": 3, "batch_symbol": True},
        {"height": 6, "width": 7, "c": 8, "o": 17, "out_first": True},
    ],
    ids=["3x3", "1x1s2", "dilated", "groups", "symbolic batch", "channels first"],
)
def test_convolutions_of_every_kind_are_exact(target: Target, a: DType, shape: dict[str, int]) -> None:
    case = convolution(**shape, dtype=a, b_dtype=DType.I8)  # type: ignore[arg-type]
    check(case, in_words(case, target), target, (1, 2))


@pytest.mark.parametrize("inner", [4, 5, 6, 7, 21])
def test_no_byte_past_the_operand_is_read(inner: int) -> None:
    """The last row ends where memory does: the bytes after it belong to nobody."""
    case = convolution(3, 3, inner, 8, 1, dtype=DType.U8, b_dtype=DType.I8)
    whole = np.frombuffer(mmap.mmap(-1, 2 * mmap.PAGESIZE), np.uint8)
    a = whole[mmap.PAGESIZE - case.a.size : mmap.PAGESIZE]
    a[:] = case.a
    beyond = ctypes.c_void_p(whole.ctypes.data + mmap.PAGESIZE)
    assert ctypes.CDLL(None).mprotect(beyond, ctypes.c_size_t(mmap.PAGESIZE), 0) == 0
    check(dataclasses.replace(case, a=a), in_words(case, BEST), BEST, (1,))


def test_a_run_of_fewer_than_four_bytes_has_no_words() -> None:
    case = convolution(5, 5, 3, 8, 1, dtype=DType.U8, b_dtype=DType.I8)
    assert "bytes" not in {s["form"] for s in contraction.schedules(case.kernel, BEST, {})}


def test_the_cost_model_prefers_words_without_vnni_and_never_offers_them_with_it() -> None:
    case = matmul(64, 256, 512, dtype=DType.U8, b_dtype=DType.I8)
    for target in TARGETS:
        assert contraction.schedules(case.kernel, target, {})[0]["form"] == "bytes"
    with_vnni = Target("cpu", "x86-64-v4", ("vnni",))
    assert "bytes" not in {s["form"] for s in contraction.schedules(case.kernel, with_vnni, {})}
