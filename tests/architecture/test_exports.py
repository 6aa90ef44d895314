"""A package says what it exports, and has it."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

from tests.architecture.tree import PACKAGE, name_of

FLAT = {"burnish/tensorrt/__init__.py"}  # TensorRT's one namespace: the star imports' own __all__ say what is in it


def exporting() -> list[Path]:
    """The __init__ files that import names from their package."""
    found = []
    for path in sorted(PACKAGE.rglob("__init__.py")):
        nodes = ast.parse(path.read_text()).body
        if any(isinstance(n, ast.ImportFrom) and (n.module or "").startswith("burnish") for n in nodes):
            found.append(path)
    return [p for p in found if name_of(p) not in FLAT]


@pytest.mark.parametrize("path", exporting(), ids=name_of)
def test_a_package_that_exports_has_all_and_what_it_names(path: Path) -> None:
    module = importlib.import_module(".".join(path.parent.relative_to(PACKAGE.parent).parts))
    assert getattr(module, "__all__", None), f"{name_of(path)} imports names and has no __all__"
    assert [n for n in module.__all__ if not hasattr(module, n)] == []
    assert sorted(set(module.__all__)) == sorted(module.__all__)
