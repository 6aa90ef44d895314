"""Means and ends of channels, against numpy over all numbers."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.calibration.channel_sums import ChannelSums


@pytest.mark.parametrize(("axis", "shape"), [(1, (2, 3, 4, 5)), (-1, (4, 7)), (-1, (2, 4, 7)), (0, (3, 5))])
def test_they_are_those_of_all_numbers(axis: int, shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(1)
    arrays = [random.normal(1, 2, shape).astype(np.float32) for _ in range(3)]
    found = ChannelSums(axis, has_ends=True)
    for array in arrays:
        found.add(array)
    rows = np.concatenate([np.moveaxis(a, axis, 0).reshape(shape[axis], -1) for a in arrays], 1)
    assert found.means == pytest.approx(rows.mean(1), rel=1e-5, abs=1e-6)
    assert np.array_equal(found.magnitudes, np.abs(rows).max(1)) and found.count == rows.shape[1]


def test_a_number_that_is_not_finite_leaves_nothing_known() -> None:
    for odd in (np.nan, np.inf):
        found = ChannelSums(1, has_ends=True)
        found.add(np.array([[1.0, 2.0]], np.float32))
        found.add(np.array([[odd, 2.0]], np.float32))
        assert found.means is None and found.magnitudes is None


def test_nothing_counted_is_nothing_known() -> None:
    assert ChannelSums(1).means is None and ChannelSums(1, True).magnitudes is None
    plain = ChannelSums(1)
    plain.add(np.ones((1, 2), np.float32))
    assert plain.magnitudes is None
