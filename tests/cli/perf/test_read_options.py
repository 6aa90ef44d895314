"""Texts of options as values."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.cli.perf.read_options import parse_headers, parse_ids, parse_input_shapes, parse_parameters, read_intervals
from burnish.errors import UserError


def test_shapes_have_commas_or_crosses() -> None:
    found = parse_input_shapes(["IN:3,224", "a:b:4x5", "S:scalar"])
    assert found == {"IN": (3, 224), "a:b": (4, 5), "S": ()}


def test_headers_keep_their_colons() -> None:
    assert parse_headers(["X-A: b:c"]) == {"X-A": "b:c"}


def test_parameters_are_json_or_text() -> None:
    found = parse_parameters(["a=1", "b=true", "c=x y", 'd="7"', "e=1.5", "f="])
    assert found == {"a": 1, "b": True, "c": "x y", "d": "7", "e": 1.5, "f": ""}


def test_ids_are_a_range() -> None:
    assert (parse_ids("5:9"), parse_ids("7")) == ((5, 9), (7, 2**63 - 1))


def test_distances_are_microseconds(tmp_path: Path) -> None:
    path = tmp_path / "gaps"
    path.write_text("1000\n2500\n")
    assert read_intervals(path) == (0.001, 0.0025)
    for text in ("", "x", "-1", "0", "inf"):
        path.write_text(text)
        with pytest.raises(UserError, match="E680"):
            read_intervals(path)
    with pytest.raises(UserError, match="E680"):
        read_intervals(tmp_path / "none")


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_input_shapes, "IN"), (parse_input_shapes, "IN:3,a"), (parse_headers, "x"),
        (parse_headers, "a: b\r\nc: d"),
        (parse_parameters, "x"), (parse_parameters, "a=[1]"), (parse_parameters, "=1"), (parse_parameters, "a=null"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(parse: object, text: str) -> None:
    with pytest.raises(UserError, match="E680"):
        parse([text])  # type: ignore[operator]


@pytest.mark.parametrize("text", ["", "a", "5:3", "1:b", "-1"])
def test_what_is_no_range_of_ids_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="E680"):
        parse_ids(text)
