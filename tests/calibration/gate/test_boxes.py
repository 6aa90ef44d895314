"""mAP: known cases, and the form of boxes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from burnish.calibration.gate.boxes import mean_average_precision, read_boxes

TRUTH = [{"boxes": [[0, 0, 10, 10], [20, 0, 30, 10]], "labels": [1, 2]}, {"boxes": [[5, 5, 9, 9]], "labels": [1]}]


def found(truth: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**each, "scores": np.linspace(0.9, 0.5, len(each["boxes"]))} for each in truth]


def test_the_truth_itself_is_1_and_nothing_is_0() -> None:
    assert mean_average_precision(found(TRUTH), TRUTH) == pytest.approx(1)
    nothing = [{"boxes": [], "scores": []}] * 2
    assert mean_average_precision(nothing, TRUTH) == 0
    assert mean_average_precision(nothing, [{"boxes": []}] * 2) == 1
    assert mean_average_precision(found(TRUTH), [{"boxes": []}] * 2) == 0


def test_a_box_of_another_label_or_of_little_overlap_is_not_found() -> None:
    other = [{**TRUTH[0], "labels": [2, 1]}, TRUTH[1]]
    assert mean_average_precision(found(other), TRUTH) < 0.6
    near = [{**each, "boxes": np.add(each["boxes"], [0, 0, 0.9, 0])} for each in TRUTH]
    assert 0.5 < mean_average_precision(found(near), TRUTH) < 1  # an overlap of 0.8 to 0.92 passes some thresholds


def test_a_box_that_is_nan_is_none() -> None:
    nan = [{**each, "boxes": np.asarray(each["boxes"]) * np.nan} for each in found(TRUTH)]
    assert mean_average_precision(nan, TRUTH) == 0
    assert mean_average_precision([{**each, "scores": each["scores"] * np.nan} for each in found(TRUTH)], TRUTH) == 0
    with pytest.raises(ValueError, match="true box"):
        mean_average_precision(found(TRUTH), nan)


@pytest.mark.parametrize("odd", [{}, {"boxes": [[0, 0, 1, 1]]}, {"boxes": [[0, 0, 1, 1]], "scores": [1, 2]}, [1, 2]])
def test_what_is_no_boxes_is_refused(odd: Any) -> None:
    with pytest.raises(ValueError, match="boxes"):
        read_boxes(odd, scored=True)
