"""Results on stdout: tables that do not fold in a pipe, JSON that is JSON."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from burnish.cli.output import format_bytes, print_facts, print_json, print_table


def test_a_table_in_a_pipe_does_not_fold_and_shows_brackets_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("name", "value>"), [("x" * 300, "f32[1,3]"), ("[bold]", 1.5)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert "f32[1,3]" in lines[1] and lines[2].startswith("[bold]") and lines[2].rstrip().endswith("1.500")


def test_facts_of_several_lines_are_indented(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts({"a": "1\n2", "long": ""})
    assert capsys.readouterr().out == "a     1\n      2\nlong  \n"


def test_json_knows_numpy_and_paths(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"n": np.int64(3), "f": np.float32(0.5), "p": Path("a")})
    assert json.loads(capsys.readouterr().out) == {"n": 3, "f": 0.5, "p": "a"}


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (3 << 20, "3.0 MiB"), (5 << 30, "5.0 GiB")]
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert format_bytes(size) == text
