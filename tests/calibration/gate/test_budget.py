"""Budgets: their words, several of them, and functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from burnish.calibration.gate.budget import Budget, parse_budgets
from burnish.calibration.gate.metrics import Answers
from burnish.errors import UserError

OURS, EXACT = Answers([{"y": np.array([1.0, 2.0])}]), Answers([{"y": np.array([1.0, 4.0])}])


def budget(given: object) -> Budget:
    (found,) = parse_budgets(given).each
    return found


def test_a_budget_knows_which_side_is_better() -> None:
    assert budget("cos=0.1").is_met(0.05) and not budget("cos=0.1").is_met(0.2)
    for word, good, bad in (("sqnr=30dB", 31, 29), ("ssim=0.9", 0.95, 0.85), ("top1=0%", 0, 1)):
        assert budget(word).is_met(good) and not budget(word).is_met(bad)
        assert budget(word).excess(good) <= 0 < budget(word).excess(bad)


def test_the_excess_of_several_is_that_of_the_worst() -> None:
    both = parse_budgets(["cos=0.1", "top1=1%"])
    assert both.excess((0.05, 3.0)) == pytest.approx(2) and both.excess((0.4, 3.0)) == pytest.approx(3)
    assert both.is_met((0.1, 1.0)) and not both.is_met((0.1, 1.1)) and not both.is_met((0.11, 1.0))


def test_words_between_commas_are_several_budgets(tmp_path: Path) -> None:
    file = tmp_path / "a,b.py"
    file.write_text("def error(ours, exact, labels): return 1")
    names = [b.name for b in parse_budgets(f"cos=0.1, top5=2%,{file}:error=3").each]
    assert names == ["cos", "top5", f"{file}:error"]
    assert [b.word for b in parse_budgets("sqnr=30dB,psnr=40").each] == ["sqnr=30dB", "psnr=40dB"]


def test_a_function_is_a_budget(tmp_path: Path) -> None:
    own = budget((lambda ours, exact, labels: float(len(ours)), 3))
    assert own.found(OURS, EXACT, None) == 1.0 and own.is_met(1.0)
    file = tmp_path / "m.py"
    file.write_text("def worst(ours, exact, labels):\n    return abs(ours[0]['y'] - exact[0]['y']).max()")
    assert budget(f"{file}:worst=0.5").found(OURS, EXACT, None) == 2.0


@pytest.mark.parametrize("body", ["return float('nan')", "return ours[0]['y'].sum() * float('nan')"])
def test_a_metric_that_is_nan_is_never_met(body: str, tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(f"def error(ours, exact, labels): {body}")
    found = budget(f"{tmp_path / 'm.py'}:error=1e9")
    assert not found.is_met(found.found(OURS, EXACT, None))


@pytest.mark.parametrize("body", ["raise KeyError('no')", "return 'x'", "return None", "return ours[0]['y']"])
def test_a_function_that_fails_is_named(body: str, tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(f"def error(ours, exact, labels): {body}")
    with pytest.raises(UserError, match="error failed") as caught:
        budget(f"{tmp_path / 'm.py'}:error=1").found(OURS, EXACT, None)
    assert caught.value.code == "E767"


@pytest.mark.parametrize("text", [None, "x = ", "import nothing_of_this_name", "error = 5", "def other(): pass"])
def test_a_file_without_the_function_is_refused(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "m.py").write_text(text)
    with pytest.raises(UserError, match="has no metric error") as caught:
        parse_budgets(f"{tmp_path / 'm.py'}:error=1")
    assert caught.value.code == "E767"


@pytest.mark.parametrize(
    "given",
    [
        "", "cos", "cos=", "cos=x", "cos=1e", "ssum=1", "sqnr=30%", "cos=-", "cos=-1", "top0=1%", "cos=1,cos=2",
        "cos=1e999",
        5, (3, 4), (max, "x"), None, [], ["cos=1", "cos=2"], ["cos=1", 5],
    ],
)  # fmt: skip
def test_what_says_nothing_is_refused(given: object) -> None:
    with pytest.raises(UserError) as caught:
        parse_budgets(given)
    assert caught.value.code == "E726"


def test_a_unit_behind_a_function_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def error(ours, exact, labels): return 1")
    with pytest.raises(UserError, match="has no unit"):
        parse_budgets(f"{tmp_path / 'm.py'}:error=1%")
