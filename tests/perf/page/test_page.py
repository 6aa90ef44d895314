"""The page needs nothing else, and says what the report says."""

from __future__ import annotations

import re
from dataclasses import replace

from burnish.perf.page.page import html_text
from burnish.perf.report import Level
from tests.perf.made_report import MODEL, made_report, made_result, times


def test_the_page_names_no_other_file_or_host() -> None:
    page = html_text(made_report())
    assert not re.findall(r"(?:src|href)=|https?://|@import|url\(|<script", page)


def test_the_figures_that_matter_stand_on_top() -> None:
    page = html_text(made_report(latency_limit_ms=20.0))
    for text in ("400 / s", "knee: 390 per s", "with mean of at most 20 ms", "failed of 9 requests", "fake 1.0"):
        assert text in page
    assert page.count("<svg") == 4 and page.count("<tr") == 4


def test_names_and_messages_from_outside_are_escaped() -> None:
    bad = made_result(1, 5, times(1), failed=1, errors={"<script>alert(1)</script>": 1})
    page = html_text(replace(made_report(bad), model=replace(MODEL, name="<img>"), server={"name": "<b>"}))
    assert "<script" not in page and "<img>" not in page and "<b></" not in page
    assert "&lt;script&gt;" in page


def test_a_report_without_an_answer_is_a_page_too() -> None:
    page = html_text(made_report(made_result(1, 0, times(), failed=4, errors={"400: no": 4})))
    assert "failed of 4 requests" in page and "400: no" in page and "<svg" not in page


def test_streams_have_their_columns() -> None:
    stream = made_result(
        5, 5, times(9), level=Level(True, 5.0), first_response=times(2), between_responses=times(1), server=()
    )
    page = html_text(made_report(stream))
    assert "first p50" in page and "open loop" in page
