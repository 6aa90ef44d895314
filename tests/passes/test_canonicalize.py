"""canonicalize.py: one form, bit-equal answers."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.canonicalize import RULES
from tests.passes.models import apply, operators, parse, random_feeds, run_ort

CASES = {
    "constant_left_of_add": ("y = Add (c, x)", ["Add"]),
    "constant_left_of_mul": ("y = Mul (c, x)", ["Mul"]),
    "subtract_constant": ("y = Sub (x, c)", ["Add"]),
    "divide_by_power_of_two": ("y = Div (x, half)", ["Mul"]),
    "square": ("y = Pow (x, two)", ["Mul"]),
    "inverse": ("y = Pow (x, minus)", ["Reciprocal"]),
    "root": ("a = Abs (x) y = Pow (a, half)", ["Abs", "Sqrt"]),
    "one_over_x": ("y = Div (one, x)", ["Reciprocal"]),
    "sum_of_three": ("y = Sum (x, c, x)", ["Add", "Add"]),
    "max_of_three": ("y = Max (x, c, x)", ["Max", "Max"]),
}
KEPT = {
    "divide_by_three": ("y = Div (x, c)", "not a power of two"),
    "power_three": ("y = Pow (x, c)", "not 2, -1 or 1/2"),
    "subtract_from_constant": ("y = Sub (c, x)", "is not a constant"),
}
CONSTANTS = "<float c = {3.0}, float two = {2.0}, float half = {0.5}, float minus = {-1.0}, float one = {1.0}>"


@pytest.mark.parametrize("case", CASES)
def test_the_canonical_form_gives_the_same_bits(case: str):
    body, expected = CASES[case]
    model = parse(f"agraph (float[2,3] x) => (float[2,3] y) {CONSTANTS} {{ {body} }}")
    before = model.clone()
    assert apply(model, *RULES)[0] >= 1
    assert operators(model) == expected
    feeds = random_feeds(before)
    for want, got in zip(run_ort(before, feeds), run_ort(model, feeds), strict=True):
        np.testing.assert_array_max_ulp(got, want, maxulp=0 if case != "inverse" else 1)
    assert apply(model, *RULES)[0] == 0


@pytest.mark.parametrize("case", KEPT)
def test_what_would_round_or_change_is_left_alone(case: str):
    body, reason = KEPT[case]
    model = parse(f"agraph (float[2,3] x) => (float[2,3] y) {CONSTANTS} {{ {body} }}")
    changes, report = apply(model, *RULES)
    assert changes == 0 and any(reason in d.reason for d in report.why()), report.why()


def test_unsigned_and_smallest_integers_are_not_negated():
    for dtype, number in (("uint8", 3), ("int8", -128)):
        model = parse(f"agraph ({dtype}[2] x) => ({dtype}[2] y) <{dtype} c = {{{number}}}> {{ y = Sub (x, c) }}")
        changes, report = apply(model, *RULES)
        assert changes == 0 and "does not exist" in report.why(rule="SubtractToAdd")[0].reason


def test_an_operand_that_would_be_broadcast_by_the_removed_one_is_left_alone():
    text = "agraph (float[3] x) => (float[1,3] y, float[1,3] z) <float[1,1] one = {1.0}, float[1,1] two = {2.0}> "
    model = parse(text + "{ y = Div (one, x) z = Pow (x, two) }")
    changes, report = apply(model, *RULES)
    assert changes == 0 and sum("broadcasts" in d.reason for d in report.why()) == 2


def test_a_divisor_of_zero_or_without_a_normal_inverse_is_left_alone():
    for number in ("0.0", "1.7014118346046923e38"):
        model = parse(f"agraph (float[2] x) => (float[2] y) <float c = {{{number}}}> {{ y = Div (x, c) }}")
        assert apply(model, *RULES)[0] == 0


@pytest.mark.parametrize("dtype", ["int32", "int64", "uint8", "double"])
def test_a_mask_of_numbers_of_another_type_is_cast_to_the_queries_type(dtype: str):
    header = "agraph (float[1,1,2,4] q, float[1,1,2,4] v, DTYPE[2,2] m) => (float[1,1,2,4] y) "
    model = parse(f"{header.replace('DTYPE', dtype)} {{ y = Attention (q, q, v, m) }}")
    before, feeds = model.clone(), random_feeds(model)
    assert apply(model, *RULES)[0] == 1 and operators(model) == ["Cast", "Attention"]
    assert model.graph.node(0).attributes["to"].as_int() == 1
    for want, got in zip(run_ort(before, feeds), run_ort(model, feeds), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-6)
    assert apply(model, *RULES)[0] == 0


def test_a_mask_that_keeps_or_has_the_queries_type_is_left_alone():
    for query, mask in (("float", "bool"), ("float", "float"), ("float16", "float")):
        text = f"agraph ({query}[1,1,2,4] q, {mask}[2,2] m) => ({query}[1,1,2,4] y) {{ y = Attention (q, q, q, m) }}"
        changes, report = apply(parse(text), *RULES)
        assert changes == 0 and "is added as it is" in report.why(rule="CastMask")[0].reason
