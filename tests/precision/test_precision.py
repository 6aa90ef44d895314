"""The words for a precision."""

from __future__ import annotations

import pytest

from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.precision.precision import parse_precision
from burnish.precision.ranges import Range, Ranges

RANGES = Ranges({"x": Range(0, 1)})


def test_int8_is_a_word_of_its_own_or_beside_a_float() -> None:
    assert parse_precision("int8", None, RANGES).words["precision"] == "int8"
    found = parse_precision("int8+bf16", None, RANGES)
    assert found.values is DType.BF16 and found.words["precision"] == "int8+bf16"


@pytest.mark.parametrize(
    ("word", "ranges", "code"),
    [("int8", None, "E720"), ("fp16", RANGES, "E720"), ("int8+int4", RANGES, "E610"), ("fp8", None, "E610")],
)
def test_what_does_not_go_together_is_refused(word: str, ranges: Ranges | None, code: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_precision(word, None, ranges)
    assert caught.value.code == code
