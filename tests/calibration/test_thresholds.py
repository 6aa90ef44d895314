"""Thresholds: against a plain search over the same candidates, and on histograms whose best clip is known."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.calibration.histogram import BINS, Histogram
from burnish.calibration.thresholds import choose_range, entropy, mse, parse_method
from burnish.errors import UserError


def divergence(counts: np.ndarray, end: int, levels: int) -> float:
    """As the docstring of `entropy` says, bin by bin."""
    p = counts[:end].copy()
    p[-1] += counts[end:].sum()
    q = np.zeros(end)
    for level in range(levels):
        group = slice(end * level // levels, end * (level + 1) // levels)
        filled = p[group] > 0
        if filled.any():
            q[group] = np.where(filled, max(counts[:end][group].sum(), 1e-4) / filled.sum(), 0.0)
    p, q = p / p.sum(), q / counts[:end].sum()
    used = p > 0
    with np.errstate(divide="ignore"):
        return float((p[used] * np.log(p[used] / q[used])).sum())


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("steps", [127, 255])
def test_entropy_finds_what_a_plain_search_finds(seed: int, steps: int) -> None:
    random = np.random.default_rng(seed)
    counts = np.histogram(np.abs(random.standard_t(3, 20_000)), 400)[0].astype(float)
    found = {end: divergence(counts, end, steps + 1) for end in range(steps + 1, 401)}
    best = min(found, key=lambda end: found[end])
    share = 1.0 if best == 400 else (best + 0.5) / 400
    assert entropy(counts, steps) == pytest.approx(share)


def test_entropy_clips_a_lone_outlier_and_keeps_even_numbers() -> None:
    body = np.random.default_rng(0).standard_normal(200_000).astype(np.float32)
    found = Histogram()
    found.add(np.append(body, np.float32(100)))
    assert choose_range(found, "entropy").high < 20
    even = Histogram()
    even.add(np.linspace(-1, 1, 100_000, dtype=np.float32))
    assert choose_range(even, "entropy").high > 0.98


@pytest.mark.parametrize("scale", [0.01, 1.0, 300.0])
def test_mse_is_the_best_of_many_clips(scale: float) -> None:
    numbers = (np.random.default_rng(2).laplace(size=200_000) * scale).astype(np.float32)
    found = Histogram()
    found.add(numbers)
    chosen = choose_range(found, "mse").largest

    def error(most: float) -> float:
        step = most / 127
        codes = np.clip(np.rint(numbers / step), -127, 127)
        return float(((codes * step - numbers) ** 2).mean())

    best = min(error(found.largest * share) for share in np.linspace(0.05, 1, 96))
    assert error(chosen) <= best * 1.01


def test_a_percentile_leaves_out_its_share_and_minmax_nothing() -> None:
    numbers = np.random.default_rng(3).standard_normal(200_000).astype(np.float32)
    found = Histogram()
    found.add(numbers)
    assert choose_range(found, "percentile:99").largest == pytest.approx(np.percentile(np.abs(numbers), 99), rel=5e-3)
    assert choose_range(found, "minmax").largest == found.largest


def test_a_tensor_that_is_never_negative_keeps_its_sign() -> None:
    found = Histogram()
    found.add(np.maximum(np.random.default_rng(0).standard_normal(50_000), 0).astype(np.float32))
    for method in ("entropy", "mse", "percentile", "minmax"):
        assert choose_range(found, method).low == 0.0


@pytest.mark.parametrize("word", ["kl", "percentile:", "percentile:101", "entropy:3", "percentile:x", 7])
def test_other_methods_are_refused(word: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_method(word)
    assert caught.value.code == "E723"


def test_zeros_alone_have_the_range_zero() -> None:
    found = Histogram()
    found.add(np.zeros(5, np.float32))
    assert choose_range(found, "entropy").largest == 0.0


def test_one_number_is_kept() -> None:
    counts = np.zeros(BINS)
    counts[-1] = 5
    assert entropy(counts, 127) == 1.0 and mse(counts, 127) > 0.999
