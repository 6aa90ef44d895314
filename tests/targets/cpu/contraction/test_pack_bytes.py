"""Words of weights: in no pair of a word and for no data do sums leave 16 bits, and each weight counts once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.target import parse_target
from burnish.targets.cpu.contraction import template as contraction
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.contraction.pack_bytes import pack_bytes
from tests.targets.cpu.contractions import matmul

COLUMNS, WIDTH = 20, 8


def words_of(
    weights: np.ndarray, a: DType = DType.U8, shared: list[int] | None = None
) -> Iterator[tuple[int, list[tuple[int, np.ndarray]]]]:
    """Each word of each panel, read as the kernel reads it: its offset in A, and [width, 4].

    shared: gets for each panel how many of its words share 16 bits
    """
    depth = len(weights)
    case = matmul(4, COLUMNS, depth, dtype=a, b_dtype=DType.I8)
    options = {"form": "bytes", "rows": 4, "vectors": 1, "lanes": WIDTH, "unroll": 8, "axis": 0, "fold": False}
    schedule = Schedule.of("contraction", **options, block=0, prefetch=0, spread=0, serial=False)
    packed = pack_bytes(case.kernel, ContractionOptions.read(schedule), weights[None])
    panel_bytes, words_at = packed[:16].view(np.int64)
    starts = 64 + (4 * WIDTH if a is DType.I8 else 0)
    for p in range(-(-COLUMNS // WIDTH)):
        panel = packed[64 + p * panel_bytes :][:panel_bytes]
        count, by_twos = panel[:8].view(np.int32)
        assert 0 <= by_twos <= count and by_twos % 2 == 0
        if shared is not None:
            shared.append(int(by_twos))
        assert count % 2 == 0, "the loop takes two words at once"
        if a is DType.I8:
            columns = np.zeros(WIDTH, np.int64)
            part = weights[:, p * WIDTH : (p + 1) * WIDTH].sum(0, np.int64)
            columns[: len(part)] = -128 * part
            np.testing.assert_array_equal(panel[64:starts].view(np.int32), columns)
        offsets = panel[starts:][: 4 * count].view(np.int32)
        words = panel[words_at:][: count * WIDTH * 4].view(np.int8).reshape(count, WIDTH, 4)
        yield p, [(int(o), w.astype(int)) for o, w in zip(offsets, words)]


def weights_of(kind: str, depth: int) -> np.ndarray:
    rng = np.random.default_rng(depth)
    if kind == "normal":
        return np.clip(np.rint(rng.standard_normal((depth, COLUMNS)) * 40), -128, 127).astype(np.int8)
    return {
        "any": rng.integers(-128, 128, (depth, COLUMNS)),
        "ends": rng.choice([-128, 127], (depth, COLUMNS)),
        "small": rng.integers(-64, 65, (depth, COLUMNS)),
    }[kind].astype(np.int8)


@pytest.mark.parametrize("a", [DType.U8, DType.I8])
@pytest.mark.parametrize("kind", ["normal", "any", "ends", "small"])
@pytest.mark.parametrize("depth", [4, 5, 7, 64, 131])
def test_no_pair_leaves_16_bits_and_each_weight_counts_once(a: DType, kind: str, depth: int) -> None:
    weights = weights_of(kind, depth)
    for p, words in words_of(weights, a):
        total = np.zeros((depth, WIDTH), int)
        for offset, word in words:
            assert 0 <= offset <= depth - 4
            for pair in (word[:, :2], word[:, 2:]):
                assert 255 * np.maximum(pair, 0).sum(1).max() <= 32767
                assert 255 * np.minimum(pair, 0).sum(1).min() >= -32768
            total[offset : offset + 4] += word.T
        expected = weights[:, p * WIDTH : (p + 1) * WIDTH]
        np.testing.assert_array_equal(total[:, : expected.shape[1]], expected)
        assert not total[:, expected.shape[1] :].any()


@pytest.mark.parametrize("a", [DType.U8, DType.I8])
@pytest.mark.parametrize("kind", ["normal", "any", "ends", "small"])
@pytest.mark.parametrize("depth", [4, 5, 64, 131])
def test_words_that_share_16_bits_leave_them_for_no_data(a: DType, kind: str, depth: int) -> None:
    shared: list[int] = []
    for _, words in words_of(weights_of(kind, depth), a, shared):
        for (_, first), (_, second) in zip(words[: shared[-1] : 2], words[1 : shared[-1] : 2]):
            for pair in (slice(0, 2), slice(2, 4)):
                both = np.concatenate([first[:, pair], second[:, pair]], 1)
                assert 255 * np.maximum(both, 0).sum(1).max() <= 32767
                assert 255 * np.minimum(both, 0).sum(1).min() >= -32768


def test_nearly_all_words_share_if_weights_are_as_trained_ones() -> None:
    """Whose largest one is eight times as large as the usual one. Of a normal distribution more than half do."""
    rng, depth = np.random.default_rng(0), 512
    for usual, least in ((15, 0.97), (36, 0.5)):
        weights = np.clip(np.rint(rng.standard_normal((depth, COLUMNS)) * usual), -127, 127).astype(np.int8)
        shared: list[int] = []
        for _, words in words_of(weights, shared=shared):
            assert shared[-1] >= least * len(words)


def test_weights_of_seven_bits_need_no_more_words_than_quads() -> None:
    for _, words in words_of(weights_of("small", 64)):
        assert len(words) == 64 // 4


def test_the_worst_weights_need_twice_as_many_words() -> None:
    for _, words in words_of(np.full((64, COLUMNS), 127, np.int8)):
        assert len(words) <= 2 * 64 // 4 + 2


@pytest.mark.parametrize("depth", [5, 8, 9])
def test_there_are_as_few_words_as_can_be(depth: int) -> None:
    """Against all ways to cut a run into words."""
    rng = np.random.default_rng(depth)
    for _ in range(20):
        weights = np.zeros((depth, COLUMNS), np.int8)
        weights[:, :WIDTH] = rng.choice([-128, -70, 0, 60, 127], (depth, WIDTH), p=[0.02, 0.02, 0.9, 0.03, 0.03])
        (_, words), *_ = words_of(weights)
        assert len(words) == -(-fewest(weights[:, :WIDTH].astype(int)) // 2) * 2


def fewest(weights: np.ndarray) -> int:
    """The words of the shortest cut, by trying all."""
    depth = len(weights)
    best = [0] + [depth] * depth  # words that count the first k
    for start in range(depth):
        for first in range(max(0, start - 3), min(start, depth - 4) + 1):
            for end in range(start + 1, first + 5):
                word = np.zeros((4, WIDTH), int)
                word[start - first : end - first] = weights[start:end]
                pairs = word.reshape(2, 2, WIDTH)
                if max(np.maximum(pairs, 0).sum(1).max(), np.maximum(-pairs, 0).sum(1).max()) <= 128:
                    best[end] = min(best[end], best[start] + 1)
    return best[depth]


def test_what_cannot_be_cut_is_not_offered() -> None:
    wide = matmul(64, 32, 64, dtype=DType.U8, b_dtype=DType.I16)
    forms = {s["form"] for s in contraction.schedules(wide.kernel, parse_target("cpu:x86-64-v3"), {})}
    assert "bytes" not in forms
