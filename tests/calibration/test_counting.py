"""The native counts are bit for bit those of numpy."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from burnish.calibration.counting import FINE, Survey, counting

Array = np.ndarray


def numbers(seed: int, size: int) -> Array:
    """Activations: many zeros, some large, some subnormal, some not finite."""
    random = np.random.default_rng(seed)
    found = (random.standard_normal(size) * 2.0 ** random.integers(-140, 9, size)).astype(np.float32)
    found[random.random(size) < 0.3] = 0.0
    found[random.random(size) < 0.01] = -0.0
    found[random.random(size) < 0.02] = np.nan
    found[random.random(size) < 0.02] = np.inf * random.choice([-1, 1])
    return found


def by_numpy(flat: Array, scale: float) -> Array:
    kept = flat[np.isfinite(flat) & (flat != 0)]
    bins = np.minimum(np.floor(kept * np.float32(scale)).astype(np.int32), FINE - 1) + FINE
    return np.bincount(bins, minlength=2 * FINE)


@pytest.mark.parametrize("size", [1, 7, 16, 33, 1000, 65_537])
@pytest.mark.parametrize("seed", range(3))
def test_counts_are_those_of_numpy(seed: int, size: int) -> None:
    flat = numbers(seed, size + 1)[1:]  # aligned for a number, not for a vector
    kept = flat[np.isfinite(flat)]
    found = counting().survey(flat)
    assert found.bad == size - kept.size and found.zeros == int((kept == 0).sum())
    if not kept.size:
        return
    assert (found.low, found.high) == (kept.min(), kept.max())
    largest = max(abs(found.low), abs(found.high)) or 1.0
    scale = FINE / max(2.0 ** np.ceil(np.log2(largest)), 2.0**-100)
    counts = np.arange(2 * FINE)
    counting().tally(flat, scale, found, counts)
    assert np.array_equal(counts - np.arange(2 * FINE), by_numpy(flat, scale))
    again = np.zeros(2 * FINE, np.int64)  # nothing of the first call is left in the tables
    counting().tally(flat, scale, found, again)
    assert np.array_equal(again, by_numpy(flat, scale))


def test_without_a_finite_number_there_are_no_ends() -> None:
    flat = np.array([np.nan, np.inf] * 40, np.float32)
    assert counting().survey(flat) == Survey(np.inf, -np.inf, 0, 80)


def test_threads_count_apart() -> None:
    parts = [numbers(seed, 30_000) for seed in range(8)]

    def counted(flat: Array) -> Array:
        counts = np.zeros(2 * FINE, np.int64)
        counting().tally(flat, FINE / 4096, counting().survey(flat), counts)
        return counts

    with ThreadPoolExecutor(4) as pool:
        for flat, counts in zip(parts, pool.map(counted, parts)):
            assert np.array_equal(counts, by_numpy(flat, FINE / 4096))
