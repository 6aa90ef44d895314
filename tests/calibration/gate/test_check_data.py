"""NaN and Inf in the data are told by sample; a metric that says nothing of f32 itself is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from burnish.calibration.gate.budget import parse_budgets
from burnish.calibration.gate.check_data import check_metrics, notes_of
from burnish.calibration.gate.metrics import Answers
from burnish.errors import UserError


def outputs(*rows: list[float]) -> dict[str, Any]:
    return {"y": np.array(rows, np.float32)}


def test_samples_with_nan_are_counted_by_row_and_the_first_is_named() -> None:
    clean, odd = {"x": np.zeros((2, 2), np.float32)}, {"x": np.array([[0, 1], [np.inf, 1]], np.float32)}
    exact = Answers([outputs([1], [2]), outputs([3], [np.nan])], rows=[2, 2])
    told = notes_of([clean, odd], exact)
    assert told == (
        "1 of 4 samples holds NaN or Inf in an input such as 'x': sample 3, counted from 0",
        "1 of 4 samples holds NaN or Inf in an output, in f32, such as 'y': sample 3, counted from 0",
    )
    assert notes_of([clean, clean], Answers([outputs([1], [2])] * 2, rows=[2, 2])) == ()
    assert "sample 1, counted from 0, is the first" in notes_of([clean, odd, odd], Answers([outputs([1])] * 3))[0]


def test_a_metric_that_says_nothing_of_f32_itself_is_refused() -> None:
    exact = Answers([outputs([1.0, 2.0]), outputs([np.nan, 1.0])])
    with pytest.raises(UserError, match="sqnr cannot be measured") as caught:
        check_metrics(parse_budgets("sqnr=30dB"), exact, None, ("a note",))
    assert caught.value.code == "E764" and caught.value.why == "a note"
    assert check_metrics(parse_budgets("cos=0.1"), exact, None, ()) == (0.0,)


@pytest.mark.parametrize(("labels", "place"), [(None, 2), ([1, 1, 0, 1], 2)])
def test_a_function_that_gives_nan_is_named_with_its_sample(labels: Any, place: int) -> None:
    def share(ours: Any, exact: Any, truth: Any) -> float:
        size = sum(float(each["y"].sum()) for each in exact) if truth is None else float(np.min(truth))
        return float("nan") if size <= 0 or any(each["y"].sum() == 0 for each in exact) else 0.0

    runs = [outputs([1.0], [1.0]), outputs([0.0]), outputs([1.0])]
    with pytest.raises(UserError, match=r"share\(\) gives no finite number") as caught:
        check_metrics(parse_budgets((share, 0.1)), Answers(runs, rows=[2, 1, 1]), labels, ())
    assert caught.value.code == "E767" and f"sample {place} alone" in caught.value.why


def test_a_function_that_gives_nan_for_all_together_alone_is_named_without_one() -> None:
    def spread(ours: Any, exact: Any, truth: Any) -> float:
        if len(exact) < 2:
            raise ValueError("too few")
        return float("nan")

    for function in (spread, lambda ours, exact, truth: float("nan") if len(exact) > 1 else 0.0):
        with pytest.raises(UserError, match="no finite number") as caught:
            check_metrics(parse_budgets((function, 0.1)), Answers([outputs([1.0])] * 2), None, ())
        assert caught.value.code == "E767" and "no sample alone" in caught.value.why
