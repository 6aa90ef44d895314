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


@pytest.mark.parametrize("text", [b"", b"[]", b"\xff", b'{"burnish_ranges": 2}', b'{"burnish_ranges": 1}'])
def test_another_form_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=":"):
        parse_ranges(text)
