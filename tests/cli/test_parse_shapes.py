"""The texts people type."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.cli.parse_shapes import parse_files, parse_ranges, parse_shapes
from burnish.errors import UserError

NAMES = ("--min", "--opt", "--max")


@pytest.mark.parametrize(
    ("text", "shapes"),
    [
        ("x:1x3x224x224", {"x": (1, 3, 224, 224)}),
        ("x:1,y:2x3", {"x": (1,), "y": (2, 3)}),
        ("x:1x4, y:2", {"x": (1, 4), "y": (2,)}),
        ("x:scalar,y:4", {"x": (), "y": (4,)}),
        ("x:,y:4", {"x": (), "y": (4,)}),
        ("Net::input:0:1x2", {"Net::input:0": (1, 2)}),
        ("'a,b:0':1x2,c:3", {"a,b:0": (1, 2), "c": (3,)}),
        ("x:0x4", {"x": (0, 4)}),
        ("", {}),
    ],
)
def test_shapes(text: str, shapes: dict[str, tuple[int, ...]]) -> None:
    assert parse_shapes([text]) == shapes


@pytest.mark.parametrize("text", ["x", "x=1x2", "x:1x", "x:ax2", ":1x2", "x:-1x2"])
def test_what_is_no_list_of_shapes_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="E612"):
        parse_shapes([text])


def test_opt_alone_is_the_whole_range_and_a_missing_side_is_its_neighbour() -> None:
    assert parse_ranges((), ["x:2"], (), NAMES) == {"x": ((2,), (2,), (2,))}
    assert parse_ranges(["x:1"], (), ["x:9"], NAMES) == {"x": ((1,), (9,), (9,))}
    assert parse_ranges(["x:1"], ["x:2,y:3"], (), NAMES) == {"x": ((1,), (2,), (2,)), "y": ((3,), (3,), (3,))}


def test_a_number_that_no_plan_can_hold_is_refused() -> None:
    for number in (1 << 63, 10**5000):
        with pytest.raises(UserError, match="E602"):
            parse_shapes([f"x:1x{number:d}" if number < 10**20 else "x:" + "9" * 5000])


def test_files_by_name() -> None:
    assert parse_files(["x=a.npy", "all.npz"], "--input") == {"x": Path("a.npy"), "": Path("all.npz")}
    with pytest.raises(UserError, match="E615"):
        parse_files(["x=a", "x=b"], "--input")
