"""remove_unused.py and lift_constants.py."""

from __future__ import annotations

import numpy as np

from burnish.passes.remove_unused import remove_unused
from burnish.passes.rewrite.context import PassContext
from tests.passes.models import assert_same_answers, operators, parse


def test_whole_chains_and_their_constants_go():
    text = """agraph (float[2] x) => (y) <float[2] c = {1.0, 2.0}> {
        a = Mul (x, c) b = Exp (a) d = Neg (b) y = Relu (x) }"""
    model = parse(text)
    assert remove_unused(model, PassContext()) == 4
    assert operators(model) == ["Relu"] and not model.graph.initializers
    assert remove_unused(model, PassContext()) == 0


def test_unused_optional_outputs_are_cut_but_needed_ones_stay():
    text = """agraph (float[1,1,4,4] x, float[4] z) => (y, a) {
        y, i = MaxPool <kernel_shape = [2,2]> (x) a, b = Split <num_outputs = 2> (z) }"""
    model = parse(text)
    remove_unused(model, PassContext())
    assert [len(n.outputs) for n in model.graph] == [1, 2]


def test_what_only_a_subgraph_reads_stays_and_dead_nodes_inside_go():
    text = """agraph (bool c, float[2] x) => (float[2] y) {
        h = Exp (x)
        y = If (c) <then_branch = g1 () => (float[2] t) { dead = Neg (h) t = Abs (h) },
                    else_branch = g2 () => (float[2] e) { e = Abs (x) }> }"""
    model = parse(text)
    before = model.clone()
    assert remove_unused(model, PassContext()) == 1
    assert operators(model) == ["Exp", "If", "Abs", "Abs"]
    assert_same_answers(before, model, {"c": np.array(True), "x": np.ones(2, np.float32)})
