"""The metrics that libraries compute: their values on cases that are known, and the error without the library."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from burnish.calibration.gate import library_metrics
from burnish.calibration.gate.library_metrics import correlation, needed, peak_signal, similarity, word_errors
from burnish.errors import EnvironmentProblem

IMAGE = np.random.default_rng(0).uniform(size=(2, 1, 16, 16))


def test_similarity_is_a_mean_over_planes_and_falls_with_noise() -> None:
    assert similarity([IMAGE], [IMAGE]) == pytest.approx(1)
    one = IMAGE.copy()
    one[0] += np.random.default_rng(1).normal(0, 0.3, one[0].shape)
    two = one.copy()
    two[1] = two[0]
    assert similarity([two], [IMAGE]) < similarity([one], [IMAGE]) < 1
    assert similarity([IMAGE * np.nan], [IMAGE]) == -1


def test_the_peak_is_that_of_f32_unless_it_is_given() -> None:
    exact, ours = [{"y": np.array([0.0, 4.0])}], [{"y": np.array([1.0, 4.0])}]
    assert peak_signal(ours, exact) == pytest.approx(10 * np.log10(16 / 0.5))
    assert peak_signal(ours, exact, 1.0) == pytest.approx(10 * np.log10(1 / 0.5))
    assert peak_signal(exact, exact) == np.inf


def test_ranks_that_agree_are_1_and_constant_ones_0() -> None:
    assert correlation([1, 5, 7], [2, 3, 90]) == pytest.approx(1)
    assert correlation([1, 1, 1], [1, 2, 3]) == 0
    assert correlation([1, np.nan, 1], [1, 2, 3]) == -1


def test_word_errors_are_counted_for_each_word_of_the_truth() -> None:
    assert word_errors(["a b", "c"], ["a x", "c d"]) == pytest.approx(2 / 4)


@pytest.mark.parametrize("module", ["skimage", "scipy", "jiwer", "pycocotools"])
def test_a_library_that_is_absent_is_named_with_what_installs_it(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EnvironmentProblem, match=r"burnish\[calibration\]") as caught:
        needed(module, "x")
    assert caught.value.code == "E763" and library_metrics.PACKAGES[module] in caught.value.what
