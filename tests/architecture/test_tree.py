"""The tree is the same on every machine, and names nothing of the one it was written on."""

from __future__ import annotations

import re

from tests.architecture.tree import name_of, tracked_files

# written so that this file does not match itself
MACHINE = re.compile(r"(?<![\w.])/(?:home|root|work|Users|opt)/[\w.-]|/tmp/[a-z]+/|[A-Z]:\\\\Users")
INDEX = re.compile(r"index-url|https?://[^\s)]*/simple\b")
TEXT = {".py", ".md", ".toml", ".txt", ".json", ".yml", ".yaml", ".cfg", ".sh", ""}


def lines_matching(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in tracked_files():
        if path.suffix in TEXT and path.name != "test_tree.py":
            for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
                if pattern.search(line):
                    found.append(f"{name_of(path)}:{number}: {line.strip()[:100]}")
    return found


def test_no_path_of_a_machine_is_in_the_tree() -> None:
    assert lines_matching(MACHINE) == []


def test_no_package_index_is_named() -> None:
    assert lines_matching(INDEX) == []


def test_no_room_is_called_utils_or_helpers() -> None:
    banned = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    assert [name_of(p) for p in tracked_files() if p.suffix == ".py" and p.stem in banned] == []


def test_no_file_of_code_is_larger_than_a_megabyte() -> None:
    limit = 1 << 20
    assert [name_of(p) for p in tracked_files() if p.stat().st_size > limit] == []
