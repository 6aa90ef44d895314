"""Every room has a README of at most 40 lines with the same five headings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.architecture.tree import name_of, rooms

HEADINGS = ["In", "Out", "Add one", "Tests", "Worked example"]


@pytest.mark.parametrize("room", rooms(), ids=name_of)
def test_a_room_says_what_comes_in_and_goes_out_and_how_to_add_one(room: Path) -> None:
    path = room / "README.md"
    assert path.is_file(), f"{name_of(room)} has no README.md"
    text = path.read_text()
    assert len(text.splitlines()) <= 40
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS


@pytest.mark.parametrize("room", rooms(), ids=name_of)
def test_adding_one_takes_at_most_six_steps(room: Path) -> None:
    path = room / "README.md"
    if not path.is_file():
        pytest.skip("reported by the test above")
    steps = path.read_text().partition("## Add one")[2].partition("\n## ")[0]
    assert len(re.findall(r"^\d+\. ", steps, re.MULTILINE)) in range(1, 7)
