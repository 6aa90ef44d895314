"""Files of at most 400 lines, functions of at most 60; tables are excepted by name."""

from __future__ import annotations

import ast

from tests.architecture.tree import name_of, python_files

FILE_LINES, FUNCTION_LINES = 400, 60
TABLES: frozenset[str] = frozenset()  # files that are one long table


def test_no_file_is_longer_than_400_lines() -> None:
    sizes = {name_of(p): len(p.read_text().splitlines()) for p in python_files()}
    assert {n: s for n, s in sizes.items() if s > FILE_LINES and n not in TABLES} == {}


def test_no_function_is_longer_than_60_lines() -> None:
    too_long = {}
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    too_long[f"{name_of(path)}:{node.name}"] = lines
    assert too_long == {}


def test_every_table_that_is_excepted_is_still_too_long() -> None:
    long = {name_of(p) for p in python_files() if len(p.read_text().splitlines()) > FILE_LINES}
    assert long >= TABLES
