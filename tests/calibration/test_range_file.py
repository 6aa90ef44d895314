"""Files of ranges: what is written is read, and anything else is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.calibration.range_file import is_range_file, load_ranges, save_ranges
from burnish.errors import UserError
from burnish.precision.ranges import Range, Ranges

RANGES = Ranges(
    {"b: odd name": Range(-1.5, 2.0), "a": Range(0.0, 0.1)}, "9f", "entropy", 7, ("a note",), frozenset({"conv1"})
)


def test_what_is_written_is_read_in_the_same_bytes(tmp_path: Path) -> None:
    save_ranges(RANGES, tmp_path / "a.json")
    assert load_ranges(tmp_path / "a.json") == RANGES
    save_ranges(load_ranges(tmp_path / "a.json"), tmp_path / "b.json")
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert is_range_file(tmp_path / "a.json") and not is_range_file(tmp_path / "none")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"burnish_ranges": 2}',
        '{"burnish_ranges": 1, "graph": "", "method": "", "samples": 1, "tensors": {"a": [1]}}',
        '{"burnish_ranges": 1, "graph": "", "method": "", "samples": 1, "tensors": {"a": [2, 1]}}',
    ],
)
def test_what_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UserError, match="no file of ranges") as caught:
        load_ranges(tmp_path / "a.json")
    assert caught.value.code == "E725"
