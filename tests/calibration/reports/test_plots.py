"""Plots show every number in its place."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.calibration.histogram import Histogram
from burnish.calibration.reports.plots import BARS, bar_counts, histogram_plot
from burnish.precision.ranges import Range


def of(numbers: np.ndarray) -> Histogram:
    found = Histogram()
    found.add(numbers.astype(np.float32))
    return found


def test_bars_are_those_of_numpy() -> None:
    numbers = np.random.default_rng(0).standard_normal(100_000)
    numbers[:2000] = 0
    wanted = np.histogram(numbers, BARS, (-5, 5))[0]
    found = bar_counts(of(numbers), -5, 5)
    assert found.sum() == pytest.approx(wanted.sum()) and np.abs(found - wanted).max() <= 30


def test_the_ends_of_the_codes_are_drawn() -> None:
    numbers = np.random.default_rng(0).standard_normal(1000)
    assert histogram_plot([of(numbers)], Range(-2.0, 1.0), "x").count('class="mark"') == 2
    assert histogram_plot([of(np.abs(numbers))], Range(0.0, 1.0), "x").count('class="mark"') == 1
    assert histogram_plot([of(np.zeros(3))], Range(0.0, 0.0), "x") == ""
