"""The attention template against float64 and the ONNX reference: layouts, masks, heads, blocks of keys, symbols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference.ops.op_attention import _compute_attention

from burnish.dims import Dim, evaluate, symbol
from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.kernels.slot import Slot
from burnish.kernels.task import AttentionTask
from burnish.target import Target
from burnish.targets.cpu.attention import template as attention
from tests.targets.cpu.run_kernel import BEST, Compiled, aligned, on_machines

LEVELS = on_machines()
Array = np.ndarray[Any, Any]
SYMBOLS = ("batch", "queries", "keys")


class Problem:
    """A task, its operands, and the answer in float64."""

    def __init__(
        self, batch: int, heads: int, queries: int, keys: int, depth: int, value_size: int, *, kv_heads: int = 0,
        mask: str = "", causal: bool = False, softcap: float = 0.0, layout: str = "bshd", symbolic: bool = False,
        dtype: DType = DType.F32, scale: float = 0.25, spread: float = 1.0,
    ) -> None:  # fmt: skip
        self.sizes = {"batch": batch, "queries": queries, "keys": keys} if symbolic else {}
        b, i, j = (symbol(n) if symbolic else v for n, v in zip(SYMBOLS, (batch, queries, keys)))
        kv_heads = kv_heads or heads
        slots = [
            _slot(dtype, b, h, s, d, layout)
            for h, s, d in ((heads, i, depth), (kv_heads, j, depth), (kv_heads, j, value_size))
        ]
        if mask:
            kind, strides = _MASKS[mask]
            slots.append(Slot(kind, (b, heads, i, j), strides(heads, i, j)))
        slots.append(_slot(dtype, b, heads, i, value_size, layout))
        self.task = AttentionTask(tuple(slots), scale, causal, bool(mask), softcap)
        rng = np.random.default_rng(heads * queries + keys)
        pairs = [self._fill(rng, s, spread) for s in slots[:-1]]
        self.arrays, self.views = [p[0] for p in pairs], [p[1] for p in pairs]

    def _fill(self, rng: np.random.Generator, slot: Slot, spread: float) -> tuple[Array, Array]:
        flat, view = self._memory(slot, 0)
        if slot.dtype is DType.BOOL:
            view[...] = rng.random(view.shape) > 0.4
        else:
            view[...] = (rng.standard_normal(view.shape) * spread).astype(slot.dtype.numpy)
        return flat, view

    def _memory(self, slot: Slot, margin: int) -> tuple[Array, Array]:
        shape = [evaluate(n, self.sizes) for n in slot.shape]
        strides = [evaluate(n, self.sizes) for n in slot.strides]
        reach = 1 + sum((n - 1) * s for n, s in zip(shape, strides)) + 2 * margin
        flat = aligned(reach * slot.dtype.size_bytes).view(slot.dtype.numpy)
        steps = [s * slot.dtype.size_bytes for s in strides]
        return flat, np.lib.stride_tricks.as_strided(flat[margin:], shape, steps)

    def expected(self) -> Array:
        q, k, v = (x.astype(np.float64) for x in self.views[:3])
        repeats = q.shape[1] // k.shape[1]
        k, v = np.repeat(k, repeats, 1), np.repeat(v, repeats, 1)
        scores = q @ k.swapaxes(2, 3) * self.task.scale
        if self.task.softcap:
            scores = self.task.softcap * np.tanh(scores / self.task.softcap)
        if self.task.masked:
            mask = self.views[3]
            scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
        if self.task.causal:
            i, j = scores.shape[2:]
            scores = np.where(np.arange(j) <= np.arange(i)[:, None] + j - i, scores, -np.inf)
        highest = scores.max(-1, keepdims=True)
        weights = np.exp(scores - np.where(np.isneginf(highest), 0, highest))
        total = weights.sum(-1, keepdims=True)
        return weights / np.where(total == 0, 1, total) @ v

    def run(self, schedule: Schedule, target: Target, threads: int) -> Array:
        assert attention.legal(self.task, schedule, target)
        compiled = Compiled(
            lambda context: attention.emit(context, self.task, schedule, "kernel"),
            target,
            SYMBOLS if self.sizes else (),
        )
        slot = self.task.slots[-1]
        flat, view = self._memory(slot, 64)
        flat[:] = 77
        needed = attention.scratch_bytes(self.task, schedule)
        compiled([*self.arrays, flat[64:]], self.sizes, threads, needed)
        found = view.astype(np.float64)
        view[...] = 77
        assert (flat == 77).all(), f"{schedule}: wrote outside its output"
        return found


def _slot(dtype: DType, b: Dim, h: int, s: Dim, d: int, layout: str) -> Slot:
    strides: dict[str, tuple[Dim, ...]] = {
        "bshd": (s * (h * d), d, h * d, 1),
        "bhsd": (s * (h * d), s * d, d, 1),
        "bhds": (s * (h * d), s * d, 1, s),
    }
    return Slot(dtype, (b, h, s, d), strides[layout])


_MASKS: dict[str, tuple[DType, Any]] = {
    "padding": (DType.BOOL, lambda h, i, j: (j, 0, 0, 1)),
    "added": (DType.F32, lambda h, i, j: (0, 0, j, 1)),
    "full": (DType.BOOL, lambda h, i, j: (h * i * j, i * j, j, 1)),
    "rows": (DType.F32, lambda h, i, j: (0, 0, 1, 0)),
}


def check(problem: Problem, target: Target = BEST, threads: Sequence[int] = (1, 2), pick: int = 0) -> None:
    found = attention.schedules(problem.task, target)
    schedule = found[pick % len(found)]
    tolerance = {DType.F64: 1e-12, DType.F32: 2e-5}.get(problem.task.slots[0].dtype, 1e-2)
    expected = problem.expected()
    for n in threads:
        np.testing.assert_allclose(
            problem.run(schedule, target, n), expected, rtol=tolerance, atol=tolerance, err_msg=str(schedule)
        )


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize(
    "shape", [(1, 2, 5, 7, 8, 8), (2, 3, 33, 40, 16, 20), (1, 2, 1, 70, 24, 24), (1, 1, 20, 300, 5, 3)]
)
def test_every_level_is_right_with_one_and_several_blocks_of_keys(target: Target, shape: tuple[int, ...]) -> None:
    problem = Problem(*shape)  # type: ignore[misc, call-arg]
    for pick in (0, len(attention.schedules(problem.task, target)) - 1):
        check(problem, target, (3,), pick)


@pytest.mark.parametrize(
    "options",
    [
        {"mask": "padding"}, {"mask": "added"}, {"mask": "full"}, {"mask": "rows"}, {"causal": True}, {"softcap": 2.0},
        {"kv_heads": 2}, {"kv_heads": 1, "causal": True}, {"layout": "bhsd"}, {"layout": "bhds"},
        {"mask": "full", "causal": True},
    ],
    ids=str,
)  # fmt: skip
@pytest.mark.parametrize(("queries", "symbolic"), [(2, False), (19, True)], ids=["few queries", "symbolic"])
def test_every_option_is_right(options: dict[str, Any], queries: int, symbolic: bool) -> None:
    check(Problem(2, 4, queries, 45, 16, 24, symbolic=symbolic, **options), threads=(2,))


@settings(max_examples=8, deadline=None)
@given(
    st.integers(1, 2), st.integers(1, 3), st.integers(1, 40), st.integers(1, 290), st.integers(1, 40),
    st.integers(1, 40), st.booleans(), st.booleans(), st.integers(0, 9),
)  # fmt: skip
def test_any_size_is_right(
    batch: int,
    heads: int,
    queries: int,
    keys: int,
    depth: int,
    value_size: int,
    symbolic: bool,
    causal: bool,
    pick: int,
) -> None:
    problem = Problem(batch, heads, queries, keys, depth, value_size, symbolic=symbolic, causal=causal)
    check(problem, pick=pick, threads=(2,))


@pytest.mark.parametrize("dtype", [DType.F64, DType.F16, DType.BF16])
@pytest.mark.parametrize("target", LEVELS)
def test_other_dtypes_are_right(dtype: DType, target: Target) -> None:
    check(Problem(1, 2, 18, 33, 16, 16, dtype=dtype), target, (1,))


def test_large_scores_neither_overflow_nor_vanish() -> None:
    check(Problem(1, 2, 20, 200, 16, 16, spread=60.0, symbolic=True))
    check(Problem(1, 2, 20, 100, 16, 16, spread=60.0))


@pytest.mark.parametrize("keys", [40, 300])
@pytest.mark.parametrize("causal", [False, True])
def test_agrees_with_the_onnx_reference_where_a_row_sees_no_key(keys: int, causal: bool) -> None:
    problem = Problem(1, 2, 20, keys, 16, 16, mask="full")
    problem.views[3][0, 1, 7] = False
    problem.views[3][0, 0, 2, 1:] = False
    q, k, v, mask = problem.views
    wanted = _compute_attention(q, k, v, mask, scale=problem.task.scale)[0]
    found = problem.run(attention.schedules(problem.task, BEST)[0], BEST, 1)
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5)
    assert not found[0, 1, 7].any()


def test_rows_before_the_first_key_give_zeros() -> None:
    check(Problem(1, 1, 30, 10, 8, 8, causal=True))
    check(Problem(1, 1, 30, 10, 8, 8, causal=True, symbolic=True))


def test_foreign_schedules_are_illegal() -> None:
    task = Problem(1, 1, 4, 4, 8, 8).task
    options = dict(attention.schedules(task, BEST)[0].options)
    assert not attention.legal(task, Schedule.of("loops"), BEST)
    for change in ({"rows": 0}, {"keys": 1}, {"tiles": 0}):
        assert not attention.legal(task, Schedule.of("attention", **(options | change)), BEST)


def test_scratch_memory_does_not_grow_with_the_number_of_keys() -> None:
    needed = []
    for keys in (1000, 100_000):
        q, kv = Slot(DType.F32, (1, 1, 10, 64), (640, 640, 64, 1)), Slot(DType.F32, (1, 1, keys, 64), (64, 64, 64, 1))
        task = AttentionTask((q, kv, kv, q), 1.0, False, False)
        needed.append(attention.scratch_bytes(task, attention.schedules(task, BEST)[0]))
    assert needed[0] == needed[1] < 1 << 20
