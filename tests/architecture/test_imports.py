"""One-way imports between rooms, no circle inside them, and the wall between what runs a plan and what builds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import grimp

from tests.architecture.tree import ROOT


def test_the_import_contracts_hold() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    found = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout + found.stderr


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports of types alone and imports inside functions count: a reader follows them as well."""
    graph = grimp.build_graph("burnish", exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    assert circles(imports) == set()


def test_circles_are_found() -> None:
    imports = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": {"d"}, "f": {"a"}, "g": set[str]()}
    assert circles(imports) == {frozenset("abc"), frozenset("de")}
    assert circles({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == set()


def circles(imports: dict[str, set[str]]) -> set[frozenset[str]]:
    """The largest groups of modules in which every one reaches every other (strongly connected components).

    cost:   O(modules x imports) after modules that nothing reaches, or that reach nothing, are left out
    """
    left = {module: set(found) for module, found in imports.items()}
    while ends := {m for m, found in left.items() if not found & left.keys()}:
        left = {m: found - ends for m, found in left.items() if m not in ends}
    reached = {module: reach(module, left) for module in left}
    groups = {frozenset({m, *(o for o in found if m in reached[o])}) for m, found in reached.items()}
    return {group for group in groups if len(group) > 1}


def reach(start: str, imports: dict[str, set[str]]) -> set[str]:
    """What a module imports, directly or through others."""
    found: set[str] = set()
    waiting = [start]
    while waiting:
        new = imports[waiting.pop()] - found
        found |= new
        waiting += new
    return found
