"""The words for a precision."""

from __future__ import annotations

import pytest

from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.precision.layers import LayerRule
from burnish.precision.precision import parse_precision
from burnish.precision.ranges import Range, Ranges

RANGES = Ranges({"x": Range(0, 1)})


def test_int8_is_a_word_of_its_own_or_beside_a_float() -> None:
    assert parse_precision("int8", None, RANGES).words["precision"] == "int8"
    found = parse_precision("int8+bf16", None, RANGES)
    assert found.values is DType.BF16 and found.words["precision"] == "int8+bf16"


def test_float8_is_a_word_as_int8_is_and_rules_may_ask_for_it() -> None:
    found = parse_precision("fp8+fp16", None, RANGES)
    assert (found.codes, found.values, found.words["precision"]) == ("fp8", DType.F16, "fp8+fp16")
    assert found.multiplies_float8 and not parse_precision("int8", None, RANGES).multiplies_float8
    assert parse_precision("int8", None, RANGES, [LayerRule("fp8", ("a",))]).multiplies_float8


@pytest.mark.parametrize(
    ("word", "ranges", "code"),
    [
        ("int8", None, "E720"),
        ("fp16", RANGES, "E720"),
        ("int8+int4", RANGES, "E610"),
        ("fp8", None, "E720"),
        ("fp8+fp4", RANGES, "E610"),
    ],
)
def test_what_does_not_go_together_is_refused(word: str, ranges: Ranges | None, code: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_precision(word, None, ranges)
    assert caught.value.code == code
