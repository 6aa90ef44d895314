"""How far two tensors are apart, over samples."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.doctor.difference import Difference, by_channel
from tests.doctor.planted import normal


def test_the_error_is_that_of_all_samples_together() -> None:
    exact, found = normal(2, 4, 6, 5), normal(2, 4, 6, 5, seed=1)
    one = Difference(1)
    one.add(found[:1], exact[:1])
    one.add(found[1:], exact[1:])
    wide = found.astype(np.float64) - exact
    assert one.whole == pytest.approx(np.sqrt((wide**2).sum() / (exact.astype(np.float64) ** 2).sum()))
    own = np.sqrt((wide**2).sum((0, 2, 3)) / (exact.astype(np.float64) ** 2).sum((0, 2, 3)))
    assert one.channels == pytest.approx(own) and one.error == pytest.approx(max(one.whole, np.median(own)))
    assert one.worst == pytest.approx(np.abs(wide).max()) and one.count == 240


def test_one_huge_channel_does_not_hide_the_others() -> None:
    exact = normal(8, 6)
    exact[:, 2] *= 1e6
    found = exact.copy()
    found[:, [0, 1, 3, 4, 5]] = 0
    one = Difference(-1)
    one.add(found, exact)
    assert one.whole < 1e-5 and one.error == pytest.approx(1)


def test_numbers_that_are_not_finite_on_one_side_only_are_an_infinite_error() -> None:
    exact = np.array([1, np.nan, np.inf, 2], np.float32)
    one = Difference(-1)
    one.add(exact, exact)
    assert one.whole == 0 and one.bad == 0 and one.bad_exact == 2
    one.add(np.array([np.nan, np.nan, -np.inf, 2], np.float32), exact)
    assert one.whole == float("inf") and one.bad == 2


def test_channels_of_which_nothing_is_left_are_counted_if_they_are_few() -> None:
    exact = normal(16, 8)
    for gone, lost in (([3], 1), ([3, 4], 2), (range(8), 0)):
        found = exact.copy()
        found[:, list(gone)] = 0
        one = Difference(-1)
        one.add(found, exact)
        assert one.lost == lost
    tiny = exact.copy()
    tiny[:, 3] *= 1e-4  # nobody misses it
    one = Difference(-1)
    one.add(np.where(np.arange(8) == 3, 0, tiny).astype(np.float32), tiny)
    assert one.lost == 0


def test_scalars_and_nothing() -> None:
    one = Difference(-1)
    assert one.whole == 0 and one.error == 0 and one.lost == 0 and not len(one.channels)
    one.add(np.array(2, np.float32), np.array(1, np.float32))
    assert one.whole == 1 and by_channel(np.array(3.0), -1).tolist() == [3]
    zero = Difference(-1)
    zero.add(np.ones(3, np.float32), np.zeros(3, np.float32))
    assert zero.whole == float("inf")
