"""Budgets: their words, and what they measure, against plain formulas."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.calibration.gate.metrics import parse_budget
from burnish.errors import UserError

EXACT = [{"y": np.array([[1.0, 0.0, 3.0]])}, {"y": np.array([[2.0, 5.0, -1.0]])}]
OURS = [{"y": np.array([[1.0, 0.0, 3.0]])}, {"y": np.array([[6.0, 5.0, -1.0]])}]


def test_cosine_is_a_mean_over_samples() -> None:
    a, b = EXACT[1]["y"][0], OURS[1]["y"][0]
    wanted = (1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)) / 2
    assert parse_budget("cos=1e-3").measure(OURS, EXACT, None) == pytest.approx(wanted)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_no_budget_is_met_by_numbers_that_f32_does_not_have(odd: float) -> None:
    ours = [EXACT[0], {"y": np.array([[odd, 5.0, -1.0]])}]
    assert parse_budget("cos=1e-3").measure(ours, EXACT, None) == pytest.approx(0.5)
    for word in ("cos=1e-3", "sqnr=30dB", "psnr=40dB"):
        budget = parse_budget(word)
        found = budget.measure(ours, EXACT, None)
        assert not budget.is_met(found) and budget.excess(found) > 0


def test_what_is_no_number_in_f32_either_is_left_out() -> None:
    exact, ours = [{"y": np.array([np.nan, 3.0, 4.0])}], [{"y": np.array([np.nan, 4.0, 3.0])}]
    assert parse_budget("cos=1e-3").measure(ours, exact, None) == pytest.approx(1 - 24 / 25)


def test_decibels_are_of_all_samples_together() -> None:
    assert parse_budget("sqnr=30dB").measure(OURS, EXACT, None) == pytest.approx(10 * np.log10((10 + 30) / 16))
    assert parse_budget("psnr=40").measure(OURS, EXACT, None) == pytest.approx(10 * np.log10(36 / (16 / 6)))
    assert parse_budget("sqnr=30dB").measure(EXACT, EXACT, None) == np.inf


def test_top1_counts_labels_if_there_are_any() -> None:
    budget = parse_budget("top1=0.5%")
    assert budget.measure(OURS, EXACT, None) == 50.0
    assert budget.measure(OURS, EXACT, np.array([2, 1])) == 50.0
    assert budget.measure(OURS, EXACT, np.array([2, 0])) == -50.0
    with pytest.raises(UserError, match="labels do not fit") as caught:
        budget.measure(OURS, EXACT, np.array([2]))
    assert caught.value.code == "E727"


def test_a_budget_knows_which_side_is_better() -> None:
    assert parse_budget("cos=0.1").is_met(0.05) and not parse_budget("cos=0.1").is_met(0.2)
    assert parse_budget("sqnr=30dB").is_met(31) and not parse_budget("sqnr=30dB").is_met(29)
    assert parse_budget("sqnr=30dB").excess(31) < 0 < parse_budget("sqnr=30dB").excess(29)


@pytest.mark.parametrize("word", ["cos=0.1", "sqnr=30dB"])
def test_what_was_measured_is_told_from_its_excess(word: str) -> None:
    budget = parse_budget(word)
    assert budget.measured(budget.excess(25.0)) == pytest.approx(25.0)


def test_a_function_is_a_budget() -> None:
    budget = parse_budget((lambda ours, exact, labels: float(len(ours)), 3))
    assert budget.measure(OURS, EXACT, None) == 2.0 and budget.is_met(2.0)


@pytest.mark.parametrize(
    "word", ["", "cos", "cos=", "cos=x", "cos=1e", "ssim=1", "sqnr=30%", "cos=-", 5, (3, 4), (max, "x"), None]
)
def test_what_says_nothing_is_refused(word: object) -> None:
    with pytest.raises(UserError) as caught:
        parse_budget(word)
    assert caught.value.code == "E726"
