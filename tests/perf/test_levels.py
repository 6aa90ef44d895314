"""The forms of a sweep's levels, and what names none."""

from __future__ import annotations

import pytest

from burnish.errors import UserError
from burnish.perf.levels import parse_levels


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("8", (8,)),
        ("1,2,4", (1, 2, 4)),
        ("1:4", (1, 2, 3, 4)),
        ("1:8:3", (1, 4, 7)),
        ("1:32:*2", (1, 2, 4, 8, 16, 32)),
        ("100:1000:300", (100, 400, 700, 1000)),
        ("0.1:0.3:0.1", (0.1, 0.2, 0.30000000000000004)),
        ("5:5", (5,)),
    ],
)
def test_every_form_gives_its_levels(text: str, levels: tuple[float, ...]) -> None:
    assert parse_levels(text, "--rate") == levels


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "a", "4:1", "1:4:0", "1:4:*1", "1:1e9", "1:9999", "1:2:3:4", "1,,2", "inf", "nan", "0:4"]
)
def test_what_names_no_levels_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="E680"):
        parse_levels(text, "--rate")


def test_requests_in_flight_are_whole_numbers() -> None:
    with pytest.raises(UserError, match="whole number"):
        parse_levels("1.5", "--concurrency", whole=True)
