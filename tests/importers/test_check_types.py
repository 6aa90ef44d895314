"""check_types.py: types that an operator does not take."""

from __future__ import annotations

import pytest

from burnish.errors import UserError
from burnish.importers import load_model
from tests.importers.build import parse


@pytest.mark.parametrize(
    ("opset", "text", "words"),
    [
        (
            21,
            """agraph (bool c, bool[2] x) => (bool[2] y) { y = If (c) <
            then_branch = g () => (bool[2] t) { t = Identity (x) },
            else_branch = h () => (bool[2] e) { [inner] e = Relu (x) }> }""",
            "'inner', input 'x'",
        ),
        (
            26,
            "agraph (float[2] x) => (uint8[2] y) { [n] y = BitCast <to = 2> (x) }",
            "FLOAT to UINT8 changes the width",
        ),
    ],
)
def test_a_type_that_the_operator_does_not_take_is_refused_by_name(opset: int, text: str, words: str):
    with pytest.raises(UserError, match=rf"E131(.|\n)*{words}"):
        load_model(parse(opset, text, 10 if opset < 24 else 13))


def test_a_cast_of_bits_of_equal_width_is_taken():
    load_model(parse(26, "agraph (float[2] x) => (int32[2] y) { y = BitCast <to = 6> (x) }", 13))
