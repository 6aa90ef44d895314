"""The distance of two distributions, against numpy over all numbers."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.calibration.histogram import Histogram
from burnish.calibration.reports.tensor_drift import distance_of


def of(numbers: np.ndarray) -> Histogram:
    found = Histogram()
    found.add(numbers.astype(np.float32))
    return found


def test_the_distance_is_half_of_the_difference_of_all_shares() -> None:
    random = np.random.default_rng(0)
    left, right = random.standard_normal(100_000), random.standard_normal(50_000) + 0.5
    reach = max(of(left).reach, of(right).reach)
    shares = [np.histogram(x, 512, (-reach, reach))[0] / x.size for x in (left, right)]
    assert distance_of(of(left), of(right)) == pytest.approx(np.abs(shares[0] - shares[1]).sum() / 2, abs=2e-3)


def test_equal_data_have_no_distance_and_data_apart_the_largest() -> None:
    numbers = np.linspace(1, 2, 100)
    assert distance_of(of(numbers), of(np.tile(numbers, 3))) == 0
    for other in (-numbers, np.zeros(3)):
        assert distance_of(of(numbers), of(other)) == pytest.approx(1)


def test_a_wider_range_of_one_of_them_changes_no_counts() -> None:
    small, large = of(np.array([0.5, 1.0])), of(np.array([1000.0]))
    before = small.counts.copy()
    assert distance_of(small, large) == 1 and np.array_equal(small.counts, before) and small.reach == 1
