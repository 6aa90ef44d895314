"""Attention on CUDA against float64, in Triton's interpreter; and compiled for every architecture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from burnish.dims import Dim, evaluate, symbol
from burnish.dtypes import DType
from burnish.kernels.schedule import Option, Schedule
from burnish.kernels.slot import Slot
from burnish.kernels.task import AttentionTask
from burnish.target import ARCHITECTURES, parse_target
from burnish.targets.cuda.attention.kernel import Piece, pieces_of
from burnish.targets.cuda.attention.template import emit, legal, schedules
from burnish.targets.cuda.compiler.pool import compile_sources
from burnish.targets.cuda.source import Pointer, TensorMap, Workspace
from burnish.verification.tolerance import unit_roundoff
from tests.targets.cuda.interpret import interpret

Array = np.ndarray[Any, Any]
HOPPER = parse_target("cuda:sm_90a")
TOLERANCE = {DType.F16: 2e-3, DType.BF16: 1.5e-2, DType.F32: 2e-6, DType.F64: 1e-14}
PLAIN: dict[str, Option] = {
    "block_m": 16, "block_n": 16, "splits": 1, "packs": False, "copies": False, "precision": "none",
    "warps": 4, "stages": 2,
}  # fmt: skip


def dense(shape: Sequence[Dim], dtype: DType = DType.F16) -> Slot:
    strides: list[Dim] = [1]
    for n in shape[:0:-1]:
        strides.insert(0, strides[0] * n)
    return Slot(dtype, tuple(shape), tuple(strides))


def merged(batch: Dim, heads: int, length: Dim, size: int, dtype: DType = DType.F16) -> AttentionTask:
    """Queries, keys and values side by side in one buffer; heads side by side in the output; a mask row a sentence."""
    width = 3 * heads * size
    part = Slot(dtype, (batch, heads, length, size), (length * width, size, width, 1))
    mask = Slot(DType.F32, (batch, heads, length, length), (length, 0, 0, 1))
    out = Slot(dtype, part.shape, (length * heads * size, size, heads * size, 1))
    return AttentionTask((part, part, part, mask, out), size**-0.5, causal=False, masked=True)


def task(
    heads: tuple[int, int], rows: tuple[int, int], sizes: tuple[int, int], dtype: DType = DType.F16, **options: Any
) -> AttentionTask:
    """heads and rows: of queries, of keys; sizes: of queries and keys, of values."""
    q, k = dense((2, heads[0], rows[0], sizes[0]), dtype), dense((2, heads[1], rows[1], sizes[0]), dtype)
    v, out = dense((2, heads[1], rows[1], sizes[1]), dtype), dense((2, heads[0], rows[0], sizes[1]), dtype)
    mask = options.pop("mask", None)
    slots = (q, k, v, out) if mask is None else (q, k, v, mask, out)
    given = {"scale": 0.3, "causal": False, **options}
    return AttentionTask(slots, masked=mask is not None, **given)


def memory(kernel: AttentionTask, sizes: dict[str, int]) -> list[Array]:
    """Each slot's memory; bools are true for two of three, other masks forbid as many; 7 in the output."""
    random = np.random.default_rng(3)
    arrays = []
    for number, slot in enumerate(kernel.slots):
        count = 1 + sum((evaluate(n, sizes) - 1) * evaluate(s, sizes) for n, s in zip(slot.shape, slot.strides))
        array = random.standard_normal(count).astype(slot.dtype.numpy)
        if slot.dtype is DType.BOOL:
            array = random.random(count) < 0.67
        elif number == 3 and kernel.masked:
            array[random.random(count) < 0.33] = -np.inf
        arrays.append(array if number < len(kernel.slots) - 1 else np.full(count + 32, 7, slot.dtype.numpy))
    return arrays


def view(array: Array, slot: Slot, sizes: dict[str, int]) -> Array:
    shape = [evaluate(n, sizes) for n in slot.shape]
    return np.lib.stride_tricks.as_strided(array, shape, [evaluate(s, sizes) * array.itemsize for s in slot.strides])


def expected(kernel: AttentionTask, operands: Sequence[Array]) -> Array:
    """In float64; a row without keys is 0."""
    q, k, v = (x.astype(np.float64) for x in operands[:3])
    group = q.shape[1] // k.shape[1]
    scores = np.einsum("bhid,bhjd->bhij", q, np.repeat(k, group, 1)) * kernel.scale
    if kernel.softcap:
        scores = kernel.softcap * np.tanh(scores / kernel.softcap)
    if kernel.masked:
        mask = operands[3]
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask.astype(np.float64)
    if kernel.causal:
        queries, keys = scores.shape[2:]
        scores = np.where(np.tri(queries, keys, keys - queries, bool), scores, -np.inf)
    highest = scores.max(-1, keepdims=True)
    p = np.exp(scores - np.where(highest == -np.inf, 0, highest))
    total = p.sum(-1, keepdims=True)
    return np.einsum("bhij,bhje->bhie", p / np.where(total == 0, 1, total), np.repeat(v, group, 1))


def run(kernel: AttentionTask, schedule: Schedule, arrays: list[Array], sizes: dict[str, int]) -> Array:
    """The output; asserts that nothing around it was touched."""
    interpret(emit(kernel, schedule, HOPPER), dict(enumerate(arrays)), sizes, written={len(arrays) - 1})
    out, slot = arrays[-1], kernel.slots[-1]
    touched = np.zeros(out.size, bool)
    view(touched, slot, sizes)[...] = True
    assert (out[~touched] == 7).all(), "a store outside the output"
    return view(out, slot, sizes).astype(np.float64)


def check(kernel: AttentionTask, sizes: dict[str, int] | None = None, **options: Option) -> None:
    schedule = Schedule.of("attention", **{**PLAIN, **options})
    assert legal(kernel, schedule, HOPPER), schedule
    arrays = memory(kernel, sizes or {})
    want = expected(kernel, [view(a, s, sizes or {}) for a, s in zip(arrays, kernel.slots)])
    got = run(kernel, schedule, arrays, sizes or {})
    assert np.abs(got - want).max() <= TOLERANCE[kernel.slots[0].dtype]


@pytest.mark.parametrize("dtype", [DType.F16, DType.BF16, DType.F32])
@pytest.mark.parametrize("copies", [False, True])
def test_a_merged_buffer_with_a_mask_row(dtype: DType, copies: bool):
    exact = "tf32x3" if dtype is DType.F32 else "none"
    check(merged(2, 3, 37, 64, dtype), copies=copies, precision=exact, block_n=32)


@pytest.mark.parametrize("options", [{}, {"copies": True}, {"splits": 4}, {"block_n": 64, "block_m": 32}])
@pytest.mark.parametrize("length", [1, 16, 50])
def test_batch_and_length_may_be_symbolic(length: int, options: dict[str, Option]):
    check(merged(symbol("b"), 2, symbol("s"), 32), {"b": 2, "s": length}, **options)


@pytest.mark.parametrize("sizes", [(1, 1), (5, 7), (16, 64), (80, 72), (64, 128)])
def test_heads_of_any_size(sizes: tuple[int, int]):
    check(task((2, 2), (19, 23), sizes))


@pytest.mark.parametrize("rows", [(1, 1), (1, 131), (17, 2), (16, 16), (48, 32)])
def test_any_number_of_queries_and_keys(rows: tuple[int, int]):
    check(task((2, 2), rows, (16, 16)))


@pytest.mark.parametrize("options", [{}, {"packs": True}, {"splits": 4}, {"packs": True, "splits": 4}])
def test_grouped_queries_share_keys(options: dict[str, Option]):
    check(task((6, 2), (3, 61), (32, 16)), **options)


@pytest.mark.parametrize("options", [{}, {"packs": True}, {"splits": 4}, {"copies": True}, {"block_m": 32}])
@pytest.mark.parametrize("rows", [(37, 37), (20, 50), (50, 20)])
def test_causal_rows_see_what_lies_before_them(rows: tuple[int, int], options: dict[str, Option]):
    if options.get("splits") == 4 and rows[1] < 50:
        options = {**options, "splits": 2}
    check(task((4, 2), rows, (16, 16), causal=True), **options)


MASKS = {
    "bool": Slot(DType.BOOL, (2, 4, 9, 21), (756, 189, 21, 1)),
    "bool for all heads": Slot(DType.BOOL, (2, 4, 9, 21), (21, 0, 0, 1)),
    "one row": Slot(DType.F16, (2, 4, 9, 21), (0, 0, 0, 1)),
    "one a head": Slot(DType.F32, (2, 4, 9, 21), (0, 1, 0, 0)),
    "one a query": Slot(DType.F16, (2, 4, 9, 21), (0, 0, 1, 0)),
    "queries innermost": Slot(DType.BF16, (2, 4, 9, 21), (0, 189, 1, 9)),
}


@pytest.mark.parametrize("options", [{}, {"packs": True}, {"splits": 2}], ids=["plain", "packs", "splits"])
@pytest.mark.parametrize("mask", MASKS)
def test_masks_of_any_strides(mask: str, options: dict[str, Option]):
    check(task((4, 2), (9, 21), (16, 16), mask=MASKS[mask]), **options)


@pytest.mark.parametrize("options", [{}, {"packs": True, "causal": True}, {"mask": MASKS["bool"]}])
def test_scores_are_capped_before_they_are_masked(options: dict[str, Any]):
    given = {name: value for name, value in options.items() if name != "packs"}
    check(task((4, 2), (9, 21), (16, 16), softcap=1.5, **given), packs="packs" in options)


def test_a_negative_scale_turns_the_order():
    check(task((2, 2), (5, 40), (16, 16), scale=-0.7))


def test_f64_takes_no_tensor_core():
    check(task((2, 1), (5, 21), (8, 12), DType.F64, causal=True), block_m=4)


def test_operands_at_any_strides():
    turned = Slot(DType.F16, (2, 2, 11, 16), (7, 1100, 14, 170))
    out = Slot(DType.F16, (2, 2, 11, 16), (1, 2, 70, 4))
    check(AttentionTask((turned, turned, turned, out), 0.2, causal=False, masked=False))


def test_scores_beyond_what_f16_holds_and_lowest_masks():
    kernel = merged(1, 1, 20, 16)
    arrays = memory(kernel, {})
    arrays[0] *= 10_000
    arrays[1] *= 10
    arrays[3][:] = np.finfo(np.float32).min  # far below any score, so that every key counts alike
    q, k, v = (view(a, s, {}).astype(np.float64) for a, s in zip(arrays[:3], kernel.slots))
    assert np.abs(q @ k.swapaxes(2, 3) * kernel.scale).max() > np.finfo(np.float16).max
    got = run(kernel, Schedule.of("attention", **PLAIN), arrays, {})
    spread = np.abs(v).mean(2, keepdims=True)  # a weight and the result are rounded to f16, each by half a unit
    assert (np.abs(got - v.mean(2, keepdims=True)) <= 2 * unit_roundoff(DType.F16) * spread).all()


@pytest.mark.parametrize(
    "wrong", [lambda x: x * 1.01, np.zeros_like, lambda x: np.roll(x, 1, 2), lambda x: x * np.nan],
    ids=["1 % too large", "zeros", "rows shifted", "not a number"],
)  # fmt: skip
def test_the_gate_rejects_a_wrong_answer(monkeypatch: pytest.MonkeyPatch, wrong: Callable[[Array], Array]):
    right = run
    monkeypatch.setitem(globals(), "run", lambda *arguments: wrong(right(*arguments)))
    with pytest.raises(AssertionError):
        check(merged(1, 1, 9, 16))


def test_nan_reaches_its_own_row_only():
    kernel = task((1, 1), (6, 20), (16, 16), DType.F32)
    arrays = memory(kernel, {})
    view(arrays[0], kernel.slots[0], {})[0, 0, 2, 3] = np.nan
    got = run(kernel, Schedule.of("attention", **{**PLAIN, "precision": "ieee"}), arrays, {})
    assert np.isnan(got[0, 0, 2]).all() and np.isfinite(np.delete(got[0, 0], 2, 0)).all() and np.isfinite(got[1]).all()


def test_a_row_whose_keys_are_all_masked_is_zero():
    kernel = merged(1, 2, 9, 16)
    arrays = memory(kernel, {})
    arrays[3][:] = -np.inf
    assert (run(kernel, Schedule.of("attention", **PLAIN), arrays, {}) == 0).all()


def test_equal_arguments_give_equal_text():
    kernel = merged(symbol("b"), 12, symbol("s"), 64)
    first = schedules(kernel, HOPPER, {"b": 1, "s": 128})
    assert first == schedules(kernel, HOPPER, {"b": 1, "s": 128})
    assert emit(kernel, first[0], HOPPER) == emit(kernel, first[0], HOPPER)


def test_small_batches_get_small_blocks_so_that_the_chip_is_full():
    few, many = (schedules(merged(b, 12, 128, 64), HOPPER, {})[0] for b in (1, 128))
    assert few["block_m"] <= 32 and many["block_m"] >= 64
    decode = schedules(task((32, 8), (1, 4096), (128, 128)), HOPPER, {})[0]
    assert decode["packs"] and decode["splits"] >= 8


def test_only_hopper_and_later_copy_and_wait():
    kernel = merged(1, 12, 128, 64)
    assert any(s["copies"] for s in schedules(kernel, HOPPER, {}))
    older = parse_target("cuda:sm_80")
    found = schedules(kernel, older, {})
    assert found and not any(s["copies"] for s in found) and not emit(kernel, found[0], older).overlaps


def test_unaligned_operands_are_not_copied_and_say_so():
    kernel = merged(1, 12, 128, 64)
    q, k, *rest = kernel.slots
    unaligned = replace(kernel, slots=(q, replace(k, aligned=2), *rest))
    found = schedules(unaligned, HOPPER, {})
    assert not any(s["copies"] for s in found)
    pointer = emit(unaligned, found[0], HOPPER).parameters[1]
    assert isinstance(pointer, Pointer) and pointer.divisible == 2


def test_what_the_template_cannot_do_has_no_schedule():
    assert schedules(task((2, 2), (4, 4), (300, 16)), HOPPER, {}) == []
    assert schedules(task((2, 2), (4, 4), (16, 16), DType.I8), HOPPER, {}) == []


def test_axes_of_one_element_do_not_hinder_copies():
    shape, strides = (1, 4, 40, 64), (0, 64, 256, 1)
    one = Slot(DType.F16, shape, strides)
    kernel = AttentionTask((one, one, one, one), 0.1, causal=False, masked=False)
    source = emit(kernel, Schedule.of("attention", **{**PLAIN, "copies": True}), HOPPER)
    maps = [p for p in source.parameters if isinstance(p, TensorMap)]
    assert len(maps) == 2 and all(m.strides[0] != 0 for m in maps)
    check(kernel, copies=True)


def test_partial_sums_have_their_own_memory():
    kernel = merged(2, 3, 64, 64)
    source = emit(kernel, Schedule.of("attention", **{**PLAIN, "splits": 4}), HOPPER)
    spaces = {p.name: p for p in source.parameters if isinstance(p, Workspace)}
    assert spaces["arrivals"].zeroed and spaces["arrivals"].size_bytes == 2 * 3 * 4 * 4
    assert spaces["partial"].size_bytes == 2 * 3 * 4 * 4 * 16 * (64 + 2) * 4


def test_a_head_is_one_power_of_two_or_two():
    assert [[p.width for p in pieces_of(n)] for n in (1, 16, 40, 64, 72, 112, 120)] == [
        [16], [16], [32, 16], [64], [64, 16], [128], [128],
    ]  # fmt: skip
    assert pieces_of(72)[1] == Piece(64, 16, 72) and not pieces_of(72)[1].is_whole


VARIETY = {
    "merged": merged(1, 12, 128, 64),
    "symbolic": merged(symbol("b"), 12, symbol("s"), 64, DType.BF16),
    "f32": merged(1, 2, 50, 64, DType.F32),
    "decode": task((8, 2), (1, 300), (128, 128)),
    "causal": task((4, 2), (70, 70), (72, 80), causal=True),
    "bool": task((4, 2), (9, 21), (16, 16), mask=MASKS["bool"]),
    "f64": task((2, 2), (5, 21), (8, 8), DType.F64),
}


def compiles(architecture: str, kernels: Sequence[AttentionTask], most: int) -> None:
    target = parse_target(f"cuda:{architecture}")
    chosen = [(k, s) for k in kernels for s in schedules(k, target, {"b": 1, "s": 128})[:most]]
    assert len({k.key for k, _ in chosen}) == len({k.key for k in kernels})
    cubins = compile_sources([(emit(k, s, target), target) for k, s in chosen])
    assert all(c.content for c in cubins)


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90a"])
def test_it_compiles(architecture: str):
    compiles(architecture, [VARIETY["merged"]], 1)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_everything_compiles_for_every_architecture(architecture: str):
    compiles(architecture, list(VARIETY.values()), 2)
