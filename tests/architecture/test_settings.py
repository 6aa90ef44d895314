"""Environment variables: read in one place, documented, at most twelve."""

from __future__ import annotations

import re

from tests.architecture.tree import PACKAGE, ROOT, name_of

SETTINGS = PACKAGE / "settings.py"


def read_by_settings() -> set[str]:
    return set(re.findall(r'"(BURNISH_\w+)"', SETTINGS.read_text()))


def test_every_variable_is_documented_and_every_documented_one_is_read() -> None:
    documented = set(re.findall(r"\bBURNISH_[A-Z]\w*", (ROOT / "docs" / "cli.md").read_text()))
    assert documented == read_by_settings()


def test_there_are_at_most_twelve() -> None:
    assert 0 < len(read_by_settings()) <= 12


def test_no_other_file_reads_a_burnish_variable() -> None:
    readers = [
        name_of(p)
        for p in PACKAGE.rglob("*.py")
        if p != SETTINGS and re.search(r"environ[^\n]*BURNISH_|getenv\([^\n]*BURNISH_", p.read_text())
    ]
    assert readers == []
