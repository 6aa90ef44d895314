"""arguments.py: sizes and shapes in both forms; other values are refused with a code and the parameter's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from burnish.arguments import (
    expect,
    expect_function,
    expect_mapping,
    flag,
    parse_shape,
    parse_size,
    whole_number,
)
from burnish.errors import UserError


@pytest.mark.parametrize(
    ("text", "unit", "size"),
    [
        ("4096", "", 4096),
        ("1GiB", "", 1 << 30),
        ("512M", "", 512 << 20),
        ("0.5g", "", 1 << 29),
        ("1kb", "", 1024),
        ("64", "M", 64 << 20),
        ("64B", "M", 64),
        ("0.25M", "M", 1 << 18),
        ("1G", "M", 1 << 30),
        (4096, "M", 4096),
        (np.int64(5), "", 5),
    ],
)
def test_sizes(text: Any, unit: str, size: int) -> None:
    assert parse_size(text, "--workspace", unit) == size


@pytest.mark.parametrize("text", ["", "lots", "1PB", "-1", "1 2", "9" * 400, -1, 1.5, True, None, [1]])
def test_what_is_no_size_is_refused(text: Any) -> None:
    with pytest.raises(UserError, match="E614"):
        parse_size(text, "--workspace")


@pytest.mark.parametrize("value", [(1, 3, 8), [1, 3, 8], "1x3x8", " 1x3x8 ", np.array([1, 3, 8]), (np.int32(1), 3, 8)])
def test_a_shape_is_a_sequence_or_the_command_lines_text(value: Any) -> None:
    found = parse_shape(value, "input 'x'")
    assert found == (1, 3, 8) and {type(n) for n in found} == {int}


@pytest.mark.parametrize("value", [(), "scalar", []])
def test_a_scalars_shape_is_empty(value: Any) -> None:
    assert parse_shape(value, "") == ()


NO_SHAPES = [
    "",
    "1x",
    "1,3",
    "batch",
    "-1x3",
    "\u0661",
    "9" * 5000,
    (1, -1),
    (1.0, 2),
    (1, None),
    ("a",),
    (True,),
    5,
    None,
]


@pytest.mark.parametrize("value", [*NO_SHAPES, (1 << 63,)])
def test_what_is_no_shape_is_refused(value: Any) -> None:
    with pytest.raises(UserError, match="E602") as caught:
        parse_shape(value, "input 'x'")
    assert caught.value.where == "input 'x'"


@pytest.mark.parametrize("value", [3, np.int8(3), np.array(3)])
def test_a_whole_number_may_be_numpys(value: Any) -> None:
    assert whole_number("threads", value) == 3


@pytest.mark.parametrize("value", [-1, 5, 1.0, "1", None, True, np.ones(2), np.array(1.5), [1]])
def test_other_numbers_are_refused_with_the_parameters_name(value: Any) -> None:
    with pytest.raises(UserError, match="E605: threads is ") as caught:
        whole_number("threads", value, 0, 4)
    assert caught.value.why == "it must be a whole number from 0 to 4"


def test_a_flag_is_true_or_false_and_no_word() -> None:
    assert flag("locked", np.True_) is True and flag("locked", False) is False
    with pytest.raises(UserError, match="E605: locked is 'no'"):
        flag("locked", "no")


@pytest.mark.parametrize(
    "refuse",
    [
        lambda: expect("target", 5, str, "a text"),
        lambda: expect_function("explain", True, "explain=print"),
        lambda: expect_mapping("shapes", [1, 2], 'shapes={"x": (1, 2)}'),
    ],
)
def test_values_of_another_kind_are_refused(refuse: Callable[[], None]) -> None:
    with pytest.raises(UserError, match="E605"):
        refuse()


def test_values_of_the_kind_are_taken() -> None:
    expect("target", "cpu", str, "a text")
    expect_function("explain", print, "explain=print")
    expect_mapping("shapes", {}, "shapes={}")
