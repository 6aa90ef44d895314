"""The page: one file, everything in it, and every text escaped."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

from burnish.doctor.finding import Picture
from burnish.doctor.page import html_text, percent, write_page
from tests.doctor.test_finding import FINDING, diagnosis

PICTURE = Picture("ten<sor", (-1.0, 0.0, 1.0, 2.0), (5, 100, 1), (0, 90, 16), -0.5, 1.5)
VOID = {"meta", "circle", "line", "polyline", "rect", "br"}


class Balanced(HTMLParser):
    """Every tag is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


def test_the_page_holds_all_of_it_and_asks_nobody(tmp_path: Path) -> None:
    found = replace(diagnosis(replace(FINDING, layer="<script>alert(1)</script>")), picture=PICTURE)
    write_page(found, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    reader = Balanced()
    reader.feed(text)
    assert not reader.open and text.count("<svg") == 2
    assert "<script" not in text and not re.search(r"(?:src|href)=|https?://|@import", text)
    for wanted in ("overflow of a narrow float", "it reaches 1e9", "mends it", "+25.0%", "ten&lt;sor", "layer"):
        assert wanted in text, wanted


def test_a_healthy_plan_has_a_page_too() -> None:
    text = html_text(replace(diagnosis(error=0.001, remedy=None), rows=(), notes=("a note",)))
    assert "nothing wrong" in text and "a note" in text and "What is wrong" not in text


def test_errors_for_people() -> None:
    assert [percent(x) for x in (0.00012345, 0.0456, 3.2, float("inf"))] == [
        "0.0123%", "4.56%", "3.2 times", "not finite",
    ]  # fmt: skip
