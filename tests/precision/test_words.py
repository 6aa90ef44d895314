"""words.py: a precision is codes, a float, or both."""

from __future__ import annotations

import pytest

from burnish.precision.words import float_of, joined, kind_of


@pytest.mark.parametrize(
    ("word", "kind", "values"),
    [("fp32", "", "fp32"), ("bf16", "", "bf16"), ("int8", "int8", "fp32"), ("fp8+fp16", "fp8", "fp16")],
)
def test_a_word_is_codes_and_a_float(word: str, kind: str, values: str) -> None:
    assert (kind_of(word), float_of(word), joined(kind, values)) == (kind, values, word)
