"""Channels over many samples: ends, order, and how much of each a range clips, against numpy over all numbers."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.calibration.histogram import Histogram
from burnish.calibration.reports.channels import Channels
from burnish.precision.ranges import Range

Array = np.ndarray


def samples(shape: tuple[int, ...], count: int = 4) -> list[Array]:
    random = np.random.default_rng(1)
    scales = np.exp2(random.uniform(-2, 2, shape[1])).astype(np.float32).reshape(1, -1, *(1,) * (len(shape) - 2))
    return [(random.standard_normal(shape) * scales * 2.0**n).astype(np.float32) for n in range(count)]


def counted(arrays: list[Array], axis: int) -> tuple[Channels, Histogram]:
    channels, whole = Channels(axis), Histogram()
    for array in arrays:
        whole.add(array)
        channels.add(array, whole.reach)
    return channels, whole


@pytest.mark.parametrize(("shape", "axis"), [((1, 24, 20, 20), 1), ((2, 12, 300), 1), ((400, 40), -1)])
def test_what_a_range_clips_in_each_channel_is_nearly_that_of_numpy(shape: tuple[int, ...], axis: int) -> None:
    arrays = samples(shape)
    channels, whole = counted(arrays, axis)
    everything = np.concatenate([np.moveaxis(a, axis, 0).reshape(a.shape[axis], -1) for a in arrays], 1)
    for kept in (Range(-3.0, 2.0), Range(0.0, 4.0), Range(-0.7, 9.0)):
        low, high = kept.ends
        wanted = ((everything < low) | (everything > high)).sum(1)
        found = channels.clipped(kept, whole)
        assert found.sum() == pytest.approx(wanted.sum(), rel=0.01)
        assert np.abs(found - wanted).max() <= 0.05 * channels.count
        assert not found[wanted == 0].any() or np.abs(everything).max() > high


def test_a_channel_that_ends_within_the_range_is_not_clipped() -> None:
    array = np.stack([np.full(100, 0.99, np.float32), np.linspace(-2, 2, 100, dtype=np.float32)])[None]
    channels, whole = counted([array], 1)
    first, second = channels.clipped(Range(-1.0, 1.0), whole)
    assert first == 0 and second == pytest.approx(50, abs=1)


def test_the_order_of_the_samples_does_not_matter() -> None:
    arrays = samples((1, 8, 50))
    (left, _), (right, _) = counted(arrays, 1), counted(arrays[::-1], 1)
    assert np.array_equal(left.ends, right.ends) and left.count == right.count == 200
    assert np.array_equal(left.counts[:-1], right.counts[:-1])


def test_samples_of_zeros_come_before_any_number() -> None:
    channels, whole = counted([np.zeros((1, 3, 4), np.float32), np.full((1, 3, 4), 5, np.float32)], 1)
    assert channels.counts[:3].sum(1).tolist() == [8, 8, 8]
    assert channels.clipped(Range(0.0, 1.0), whole).tolist() == [4, 4, 4]
