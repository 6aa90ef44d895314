"""The native counts of channels are those of numpy, in both layouts, with NaN and Inf left out."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.calibration.reports.count_channels import BINS, HALF, OCTAVES, PARTS, channel_counting

Array = np.ndarray


def numbers(shape: tuple[int, ...], seed: int = 0) -> Array:
    random = np.random.default_rng(seed)
    found = (random.standard_normal(shape) * 2.0 ** random.integers(-14, 3, shape)).astype(np.float32)
    found[random.random(shape) < 0.2] = 0.0
    found[random.random(shape) < 0.05] = np.nan
    found[random.random(shape) < 0.05] = np.inf * random.choice([-1, 1])
    return found


def by_numpy(channel: Array, octave: int) -> Array:
    """The counts of one channel from edges, not from bits."""
    steps = np.arange(HALF)
    edges = 2.0 ** (octave - OCTAVES + steps // PARTS) * (1 + steps % PARTS / PARTS)
    kept = channel[np.isfinite(channel)]
    places = np.maximum(np.searchsorted(edges, np.abs(kept), side="right") - 1, 0)
    return np.bincount(places + HALF * (kept < 0), minlength=BINS)


@pytest.mark.parametrize("shape", [(1, 3, 100), (2, 5, 49), (3, 4, 2), (7, 37, 1), (2, 16, 1), (1, 1, 1), (4, 1, 33)])
def test_counts_and_ends_are_those_of_numpy(shape: tuple[int, int, int]) -> None:
    octave, channels = 6, shape[1]
    ends = np.repeat(np.array([[np.inf], [-np.inf]], np.float32), channels, 1)
    counts = np.zeros((channels + 1, BINS), np.int64)
    parts = [numbers(shape, seed) for seed in range(2)]
    for part in parts:
        channel_counting().count(part, octave, ends, counts)
    for index in range(channels):
        channel = np.concatenate([part[:, index].reshape(-1) for part in parts])
        finite = channel[np.isfinite(channel)]
        assert np.array_equal(counts[index], by_numpy(channel, octave))
        assert ends[0, index] == finite.min(initial=np.inf) and ends[1, index] == finite.max(initial=-np.inf)


def test_a_number_on_an_edge_is_in_the_bin_above_and_the_largest_in_the_last() -> None:
    x = np.array([1.0, 1.25, 1.2499999, 2.0, -2.0], np.float32).reshape(1, 1, 5)
    counts = np.zeros((2, BINS), np.int64)
    channel_counting().count(x, 1, np.array([[np.inf], [-np.inf]], np.float32), counts)
    assert counts[0, HALF - 4 : HALF].tolist() == [2, 1, 0, 1] and counts[0, BINS - 1] == 1
