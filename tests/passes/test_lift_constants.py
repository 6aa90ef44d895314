"""lift_constants.py: one form of a constant."""

from __future__ import annotations

from burnish.passes.lift_constants import lift_constants
from burnish.passes.rewrite.context import PassContext
from tests.passes.models import assert_same_answers, operators, parse, random_feeds


def test_constant_nodes_of_every_kind_become_initializers():
    text = """agraph (float[3] x) => (float[3] y, int64[2] k) {
        a = Constant <value = float[3] {1.0, 2.0, 3.0}> () b = Constant <value_float = 2.0> ()
        c = Constant <value_floats = [1.0, 2.0, 3.0]> () k = Constant <value_ints = [4, 5]> ()
        p = Mul (x, a) q = Mul (p, b) y = Add (q, c) }"""
    model = parse(text)
    before = model.clone()
    assert lift_constants(model, PassContext()) == 4
    assert operators(model) == ["Identity", "Mul", "Mul", "Add"]
    assert_same_answers(before, model, random_feeds(before))
    assert lift_constants(model, PassContext()) == 0
