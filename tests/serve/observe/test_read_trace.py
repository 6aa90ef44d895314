from __future__ import annotations

import pytest

from burnish.serve.observe.read_trace import read_levels, read_number
from burnish.serve.status import ServeError


def test_levels_that_are_not_known_are_passed_over() -> None:
    assert read_levels(["TENSORS", "FOO", "TIMESTAMPS"]) == ("TIMESTAMPS", "TENSORS")
    assert read_levels(["FOO"]) is None
    assert read_levels(["OFF"]) == ()
    with pytest.raises(ServeError, match="Expect only one trace level 'OFF' is specified"):
        read_levels(["OFF", "TENSORS"])


@pytest.mark.parametrize(("text", "value"), [("7", 7), (" 7x", 7), ("-1", (1 << 32) - 1), ("0", 0)])
def test_a_rate_is_the_number_that_the_text_begins_with(text: str, value: int) -> None:
    assert read_number("trace_rate", text) == value


def test_a_number_out_of_range_is_refused() -> None:
    with pytest.raises(ServeError, match="Unable to parse 'trace_rate', got: x"):
        read_number("trace_rate", "x")
    with pytest.raises(ServeError, match=r"value is out of range \[ 0, 4294967295 \], got: 99999999999"):
        read_number("trace_rate", "99999999999")
    with pytest.raises(ServeError, match=r"Unable to parse 'trace_count'\. Expecting value >= -1, got:-2"):
        read_number("trace_count", "-2")
