"""burnish/a/b.py, or the room burnish/a/b/, is tested by tests/a/test_b.py; the sources that are not yet are listed."""

from __future__ import annotations

import re
from pathlib import Path

from tests.architecture.tree import PACKAGE, ROOT, name_of, python_files

LIST = ROOT / "tests" / "data" / "unmirrored.txt"  # sources that only tests of other names reach
LISTED = LIST.read_text(encoding="utf-8").split()
CODE = re.compile(r"(?m)^(def|async def|class (?!\w+\(Protocol\):)) ?")
LONGEST = 181  # lower it with the list; it never grows


def mirror_of(source: Path) -> Path:
    inside = source.relative_to(PACKAGE)
    if source == PACKAGE / "__init__.py":
        return ROOT / "tests" / "test_package.py"
    if inside.name == "__init__.py":
        inside = inside.parent
    return ROOT / "tests" / inside.parent / f"test_{inside.stem.strip('_')}.py"


def has_code(source: Path) -> bool:
    """Whether there is anything to test: tables, names and protocols are reached by who uses them."""
    return CODE.search(source.read_text(encoding="utf-8")) is not None


def without_mirror() -> list[str]:
    sources = [p for p in python_files() if p.is_relative_to(PACKAGE)]
    return [name_of(p) for p in sources if has_code(p) and not mirror_of(p).is_file()]


def test_every_source_has_a_test_of_its_name_or_is_listed() -> None:
    assert sorted(set(without_mirror()) - set(LISTED)) == []


def test_the_list_names_only_sources_that_exist_and_have_no_test_of_their_name() -> None:
    assert sorted(set(LISTED) - set(without_mirror())) == [], f"take these lines out of {name_of(LIST)}"


def test_the_list_is_sorted_and_only_shrinks() -> None:
    assert sorted(set(LISTED)) == LISTED
    assert len(LISTED) <= LONGEST
