"""A user's function from a Python file."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.calibration.python_file import load_function


def test_a_function_is_loaded_from_any_folder(tmp_path: Path) -> None:
    (tmp_path / "a b.py").write_text("def twice(x): return 2 * x")
    assert load_function(tmp_path / "a b.py", "twice")(4) == 8


def test_what_is_no_function_is_refused_and_what_the_file_raises_passes(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("twice = 2")
    with pytest.raises(ValueError, match="no function twice"):
        load_function(tmp_path / "a.py", "twice")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(ValueError, match=r"end in \.py"):
        load_function(tmp_path / "a.txt", "twice")
    (tmp_path / "b.py").write_text("1 / 0")
    with pytest.raises(ZeroDivisionError):
        load_function(tmp_path / "b.py", "twice")
