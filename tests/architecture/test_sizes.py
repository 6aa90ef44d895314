"""Files of at most 400 lines, functions of at most 60, folders of at most 20 files; exceptions are named."""

from __future__ import annotations

import ast
from collections import Counter

from tests.architecture.tree import PACKAGE, name_of, python_files

FILE_LINES, FUNCTION_LINES = 400, 60
FOLDER_FILES = 20
LISTS = {"burnish/ops", "burnish/passes"}  # flat lists of one kind: operators, passes
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


def test_no_folder_holds_more_than_20_files_but_flat_lists_of_one_kind() -> None:
    folders = Counter(name_of(p.parent) for p in python_files() if PACKAGE in p.parents)
    assert {folder for folder, count in folders.items() if count > FOLDER_FILES} == LISTS
