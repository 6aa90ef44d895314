"""Values of another type are refused in Triton's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from burnish.serve.http.text import words
from burnish.serve.status import Code, ServeError


@pytest.mark.parametrize(
    ("read", "good", "bad", "message"),
    [
        (words.as_string, "x", 1, "attempt to access JSON non-string as string"),
        (words.as_bool, False, 0, "attempt to access JSON non-boolean as boolean"),
        (words.as_array, [1], {}, "attempt to access JSON non-array as array"),
        (words.as_object, {"a": 1}, [], "attempt to access JSON non-object as object"),
        (words.members, {"a": 1}, [], "attempt to get members for non-object"),
    ],
)
def test_each_type_is_read_or_refused(read: Callable[..., Any], good: Any, bad: Any, message: str) -> None:
    assert read(good) == good
    with pytest.raises(ServeError) as caught:
        read(bad, "Unable to parse 'x'")
    assert (caught.value.code, caught.value.message) == (Code.INTERNAL, f"Unable to parse 'x': {message}")


@pytest.mark.parametrize(("value", "is_one"), [(0, True), (2**64 - 1, True), (2**64, False), (-1, False), (1.0, False)])
def test_an_unsigned_integer_has_64_bits(value: Any, is_one: bool) -> None:
    assert words.is_uint(value) is is_one
    if is_one:
        assert words.as_uint(value) == value
    else:
        with pytest.raises(ServeError, match="non-unsigned-integer as unsigned-integer"):
            words.as_uint(value)


def test_true_is_no_integer() -> None:
    assert not words.is_uint(True)
    assert not words.is_int(True)
    assert [words.is_int(v) for v in (-(2**63), 2**63 - 1, 2**63)] == [True, True, False]


def test_a_member_that_is_missing_is_told_by_name() -> None:
    assert words.find([], "a") is words.MISSING
    with pytest.raises(ServeError, match=r"^attempt to access non-existing object member 'a'$"):
        words.member({}, "a")


def test_a_text_ends_at_a_nul_as_for_triton() -> None:
    assert words.as_string("a\0b") == "a"
