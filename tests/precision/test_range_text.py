"""Ranges as text: canonical, and only their own form is read."""

from __future__ import annotations

import pytest

from burnish.precision.range_text import parse_ranges, range_bytes
from burnish.precision.ranges import Range, Ranges


def test_the_order_of_tensors_does_not_change_the_bytes() -> None:
    one, two = Range(-1.5, 2.0), Range(0.0, 0.1)
    text = range_bytes(Ranges({"b": one, "a": two}, "9f", "mse", 3, ("n",), frozenset({"k", "j"})))
    assert text == range_bytes(Ranges({"a": two, "b": one}, "9f", "mse", 3, ("n",), frozenset({"j", "k"})))
    assert range_bytes(parse_ranges(text)) == text


HEAD = b'{"burnish_ranges": 1, "graph": "", "method": "", "samples": 1, "tensors": {"a": '


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "it is not JSON: line 1, column 1"),
        (b"[]", "it does not begin with"),
        (b"\xff", "it is no text in UTF-8"),
        (b'{"burnish_ranges": 2}', "it does not begin with"),
        (b'{"burnish_ranges": 1}', "it lacks 'tensors'"),
        (HEAD + b"[1]}}", "two finite numbers"),
        (HEAD + b"[2, 1]}}", "two finite numbers"),
        (HEAD + b'["x", 1]}}', "two finite numbers"),
    ],
)
def test_another_form_is_a_value_error_in_our_words(text: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_ranges(text)


def test_asymmetric_ranges_are_kept() -> None:
    ranges = Ranges({"a": Range(-1.0, 2.0, True), "b": Range(-1.0, 2.0)})
    assert parse_ranges(range_bytes(ranges)) == ranges
    with pytest.raises(ValueError, match="two finite numbers"):
        parse_ranges(HEAD + b'[1, 2, "other"]}}')
