"""What one tensor's counts say, against numpy over all numbers."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.calibration.histogram import Histogram
from burnish.calibration.reports.tensor_report import codes_in_use, outlier_channels, percent
from burnish.precision.ranges import Range


def of(numbers: np.ndarray) -> Histogram:
    found = Histogram()
    found.add(numbers.astype(np.float32))
    return found


@pytest.mark.parametrize("kept", [Range(-4.0, 4.0), Range(-40.0, 40.0), Range(-1.0, 1.0)])
def test_codes_in_use_are_those_that_hold_nine_tenths(kept: Range) -> None:
    numbers = np.random.default_rng(0).standard_normal(200_000).astype(np.float32)
    codes = np.clip(np.rint(numbers / kept.scale), -128, 127).astype(int)
    held = np.sort(np.bincount(codes + 128))[::-1].cumsum()
    assert codes_in_use(of(numbers), kept) == pytest.approx(np.searchsorted(held, 0.9 * held[-1]) + 1, abs=2)


def test_zeros_use_no_code() -> None:
    assert codes_in_use(of(np.zeros(5)), Range(0.0, 1.0)) == 0
    assert codes_in_use(of(np.array([0.0] * 90 + [1.0] * 5 + [0.5] * 5)), Range(0.0, 1.0)) == 2


def test_outliers_are_told_beside_the_median_of_channels_that_are_not_dead() -> None:
    largest = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 2.0, 30.0, 8.0])
    assert [(c.channel, c.factor) for c in outlier_channels(largest)] == [(6, 15.0)]
    assert outlier_channels(np.array([1.0, 100.0])) == ()


@pytest.mark.parametrize(("share", "text"), [(0.0, "0 %"), (1.0, "100 %"), (0.0123, "1.23 %"), (1e-9, "< 0.001 %")])
def test_shares_never_read_as_nothing(share: float, text: str) -> None:
    assert percent(share) == text
