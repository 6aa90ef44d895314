"""Every code that the source raises is explained in docs/errors.md and named in a test; what is explained is raised."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[1]
EXPLAINED = re.findall(r"(?m)^## (E\d{3})$", (ROOT / "docs" / "errors.md").read_text(encoding="utf-8"))


def raised() -> dict[str, set[str]]:
    """code -> files that name it in quotes."""
    found: dict[str, set[str]] = {}
    for path in sorted((ROOT / "burnish").rglob("*.py")):
        for code in re.findall(r'["\'](E\d{3})["\']', path.read_text(encoding="utf-8")):
            found.setdefault(code, set()).add(str(path.relative_to(ROOT)))
    return found


def test_every_code_in_the_source_is_explained() -> None:
    missing = {code: sorted(files) for code, files in raised().items() if code not in EXPLAINED}
    assert not missing


def test_every_explained_code_is_in_the_source() -> None:
    assert not set(EXPLAINED) - raised().keys()


def test_every_code_in_the_source_is_named_in_a_test() -> None:
    """What a test does not name, it may miss: a raise of another code in its place would pass."""
    texts = [p.read_text(encoding="utf-8") for p in (ROOT / "tests").rglob("*.py")]
    named = {code for text in texts for code in re.findall(r"\bE\d{3}\b", text)}
    assert sorted(raised().keys() - named) == []


def test_no_code_is_explained_twice() -> None:
    assert [code for code, count in Counter(EXPLAINED).items() if count > 1] == []
