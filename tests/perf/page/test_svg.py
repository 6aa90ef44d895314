"""Axes place values, and ticks are round."""

from __future__ import annotations

import pytest

from burnish.perf.page import svg


def test_an_axis_begins_at_zero_and_its_ticks_are_round() -> None:
    axis = svg.axis_for("x", [5, 47])
    assert [t for t, _ in axis.ticks] == [0, 10, 20, 30, 40, 50]
    assert (axis.place(0), axis.place(25), axis.place(50)) == (0, 0.5, 1)
    assert axis.x(0) == svg.LEFT and axis.y(50) == svg.TOP


def test_a_wide_range_is_logarithmic() -> None:
    axis = svg.axis_for("y", [1, 1000])
    assert axis.place(1) == pytest.approx(0) and axis.place(1000) == pytest.approx(1)
    assert axis.place(10) == pytest.approx(1 / 3)
    assert {1, 10, 100, 1000} <= {t for t, _ in axis.ticks}
    assert svg.axis_for("y", [1, 1000], may_be_log=False).place(500) == pytest.approx(0.5)
    assert len(svg.axis_for("y", [1e-3, 1e6]).ticks) == 10


@pytest.mark.parametrize("values", [[], [0.0], [5.0], [1e-9, 1e-9], [1e12]])
def test_any_values_make_an_axis(values: list[float]) -> None:
    axis = svg.axis_for("x", values)
    assert all(0 <= axis.place(v) <= 1 for v in values) and len(axis.ticks) >= 2


def test_every_nine_has_the_same_room() -> None:
    axis = svg.nines_axis("p")
    assert axis.place(90) == pytest.approx(0.25) and axis.place(99) == pytest.approx(0.5)
    assert axis.place(99.99) == pytest.approx(1) and axis.place(100) == 1


@pytest.mark.parametrize(("value", "text"), [(0, "0"), (0.25, "0.25"), (1500, "1500"), (25000, "25k"), (3e6, "3M")])
def test_numbers_are_short(value: float, text: str) -> None:
    assert svg.number(value) == text


def test_texts_are_escaped() -> None:
    assert "<b>" not in svg.text(0, 0, "<b>") + svg.dot(0, 0, "red", "<b>") + svg.bar(0, 0, 1, 1, "red", "<b>")
