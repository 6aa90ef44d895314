"""The picture of the curve: well-formed, with a point for each choice, in the right place."""

from __future__ import annotations

import math
from xml.etree import ElementTree

import pytest

from burnish.calibration.gate.draw_curve import as_page, draw_curve
from burnish.errors import UserError
from burnish.precision.accuracy import Accuracy, CurvePoint, Judged

SVG = "{http://www.w3.org/2000/svg}"


def circles(accuracy: Accuracy, title: str = "") -> list[tuple[float, float, str]]:
    root = ElementTree.fromstring(draw_curve(accuracy, title))
    found = root.iter(f"{SVG}circle")
    return [(float(c.get("cx", "")), float(c.get("cy", "")), c.findtext(f"{SVG}title", "")) for c in found]


def limit_of(accuracy: Accuracy) -> float:
    (line,) = (x for x in ElementTree.fromstring(draw_curve(accuracy)).iter(f"{SVG}line") if x.get("stroke-dasharray"))
    return float(line.get("y1", ""))


def test_what_is_slower_lies_to_the_right_and_what_errs_less_lies_lower() -> None:
    curve = (CurvePoint(0, 1.0, (0.1,)), CurvePoint(2, 2.0, (0.001,)), CurvePoint(1, 1.5, (0.01,)))
    accuracy = Accuracy((Judged("cos=0.01", 0.01, 0.1),), 4, (), curve)
    (x0, y0, _), (x2, y2, _), (x1, y1, words) = circles(accuracy)
    assert x0 < x1 < x2 and y0 < y1 < y2
    assert y1 == pytest.approx(limit_of(accuracy), abs=0.2)
    assert words == "1 layers raised, 1.500 ms; cos=0.01: 0.01"


@pytest.mark.parametrize(
    ("budget", "found", "is_met"),
    [
        ("sqnr=30dB", 31, True), ("sqnr=30dB", 29, False), ("top1=0%", 0, True), ("top1=0%", 5, False),
        ("ssim=0.9", 0.95, True), ("sqnr=30dB", math.inf, True), ("sqnr=30dB", -math.inf, False),
        ("f()=0.5", 0.4, True), ("a.py:f=0.5", 0.6, False),
    ],
)  # fmt: skip
def test_a_point_lies_above_the_line_if_its_budget_is_missed(budget: str, found: float, is_met: bool) -> None:
    accuracy = Accuracy((Judged(budget, found, found),), 4, (), (CurvePoint(0, 1.0, (float(found),)),))
    ((_, y, _),) = circles(accuracy)
    assert (y >= limit_of(accuracy) - 0.2) == is_met


def test_a_plan_of_which_no_layer_was_measured_is_one_point() -> None:
    assert len(circles(Accuracy((Judged("cos=0.1", 0.01, 0.01),), 4))) == 1


def test_names_are_escaped_and_a_page_holds_the_picture() -> None:
    accuracy = Accuracy((Judged("cos=0.1", 0.01, 0.01),), 4)
    assert "a&lt;b" in draw_curve(accuracy, "a<b")
    page = as_page(draw_curve(accuracy, "a<b"), "a<b")
    assert page.startswith("<!DOCTYPE html>") and "<svg" in page and "<title>a&lt;b</title>" in page


def test_a_word_that_is_not_known_is_refused_and_a_function_is_none() -> None:
    with pytest.raises(UserError, match="no error budget") as caught:
        draw_curve(Accuracy((Judged("fid=3", 0.01, 0.01),), 4))
    assert caught.value.code == "E726"
    for word in ("my_error()=-1", "m.py:error=0.5"):
        assert len(circles(Accuracy((Judged(word, 0.01, 0.01),), 4))) == 1
