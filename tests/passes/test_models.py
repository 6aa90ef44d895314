"""The gates themselves, models.py and golden.py: a rewrite that changes the answer does not pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.passes.golden import assert_same_reference
from tests.passes.models import assert_same_answers, parse

TEXT = "m (float[2,3] x) => (float[2,3] y) { c = Constant<value_float = 1.0>() y = Mul(x, c) }"
WRONG = {
    "1 % too large": TEXT.replace("1.0", "1.01"),
    "zero": TEXT.replace("1.0", "0.0"),
    "not a number": "m (float[2,3] x) => (float[2,3] y) { n = Neg(x) y = Log(n) }",
    "turned": "m (float[2,3] x) => (float[3,2] y) { y = Transpose(x) }",
    "rows swapped": "m (float[2,3] x) => (float[2,3] y) { i = Constant<value_ints = [1, 0]>() y = Gather(x, i) }",
    "of another type": "m (float[2,3] x) => (double[2,3] y) { y = Cast<to = 11>(x) }",
    "of another rank": "m (float[2,3] x) => (float[6] y) { s = Constant<value_ints = [6]>() y = Reshape(x, s) }",
}
FEEDS = {"x": np.arange(1, 7, dtype=np.float32).reshape(2, 3)}


@pytest.mark.parametrize("gate", [assert_same_answers, assert_same_reference])
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_answer_is_rejected(gate: Callable[..., None], wrong: str) -> None:
    gate(parse(TEXT), parse(TEXT), FEEDS)
    with pytest.raises(AssertionError):
        gate(parse(TEXT), parse(WRONG[wrong]), FEEDS)


def test_an_output_of_another_name_or_one_too_many_is_rejected() -> None:
    two = TEXT.replace("(float[2,3] y)", "(float[2,3] y, float[2,3] z)").replace("y = Mul", "z = Neg(x) y = Mul")
    for other in (TEXT.replace("y", "z"), two):
        with pytest.raises(AssertionError):
            assert_same_answers(parse(TEXT), parse(other), FEEDS)
