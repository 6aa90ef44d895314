"""The pages are whole HTML that needs nothing else, names every tensor and draws its range."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from burnish.calibration import compare, report, save_page
from tests.calibration.reports.models import product, rows

OPEN = {"meta"}  # has no end


class Reader(HTMLParser):
    """Tags that were not closed, links that lead outside, and the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.links, self.text = list[str](), list[str](), ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.links += [str(v) for n, v in attributes if n in ("src", "href")] + ([tag] if tag == "script" else [])
        if tag not in OPEN:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(path: Path) -> Reader:
    found = Reader()
    found.feed(path.read_text())
    assert not found.open and not found.links
    return found


def test_a_report_draws_the_threshold_and_says_the_findings(tmp_path: Path) -> None:
    samples = [sample * (1 + n / 4) for n, sample in enumerate(rows(10))]
    found = report(product(), samples, batch="1:64:64", threads=1)
    save_page(found, tmp_path / "page.html")
    page = read(tmp_path / "page.html")
    (tensor,) = found.tensors
    assert tensor.findings and all(f.text in page.text for f in tensor.findings) and found.verdict in page.text
    assert f"{tensor.kept.largest:.4g}" in page.text and (tmp_path / "page.html").read_text().count("<svg") == 2


def test_a_comparison_shows_both_sets(tmp_path: Path) -> None:
    found = compare(product(), rows(3), [2 * sample for sample in rows(3)], batch="1:64:64", threads=1)
    save_page(found, tmp_path / "page.html")
    page = read(tmp_path / "page.html")
    assert found.tensors[0].told in page.text and "second data" in page.text and found.verdict in page.text


@pytest.mark.parametrize("value", [0.0, 3.0, -2.0])
def test_a_tensor_of_one_number_has_a_page_too(tmp_path: Path, value: float) -> None:
    save_page(report(product(), [np.full((1, 16), value, np.float32)] * 3), tmp_path / "page.html")
    assert "x" in read(tmp_path / "page.html").text
