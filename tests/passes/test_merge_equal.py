"""merge_equal.py: equal work is done once."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.passes.merge_equal import merge_equal
from burnish.passes.remove_unused import remove_unused
from burnish.passes.rewrite.context import PassContext
from tests.passes.models import assert_same_answers, operators, parse, random_feeds


def test_equal_chains_merge_in_one_walk():
    text = """agraph (float[2,3] x) => (float[2,3] y) {
        a = Softmax <axis = 1> (x) b = Exp (a) c = Softmax <axis = 1> (x) d = Exp (c) y = Mul (b, d) }"""
    model = parse(text)
    before = model.clone()
    assert merge_equal(model, PassContext()) == 2
    assert operators(model) == ["Softmax", "Exp", "Mul"]
    assert_same_answers(before, model, random_feeds(before))
    assert merge_equal(model, PassContext()) == 0


def test_other_attributes_inputs_or_randomness_do_not_merge():
    text = """agraph (float[3,3] x) => (y) {
        a = Softmax <axis = 1> (x) b = Softmax <axis = 0> (x) c = Softmax <axis = 0> (a)
        r = RandomNormalLike (x) s = RandomNormalLike (x) y = Sum (a, b, c, r, s) }"""
    assert merge_equal(parse(text), PassContext()) == 0


def test_equal_constants_are_kept_once_by_type_shape_and_content():
    text = """agraph (float[2] x) => (y, z) <float[2] a = {1.0, 2.0}, float[2] b = {1.0, 2.0}, float[2] c = {1.0, 3.0},
        int32[1] i = {1}, int64[1] j = {1}> { p = Mul (x, a) q = Mul (x, b) r = Mul (x, c) y = Sum (p, q, r)
        s = Gather (x, i) t = Gather (x, j) z = Add (s, t) }"""
    model = parse(text)
    before = model.clone()
    assert merge_equal(model, PassContext()) == 2
    remove_unused(model, PassContext())
    assert set(model.graph.initializers) == {"a", "c", "i", "j"}
    assert_same_answers(before, model, random_feeds(before))


def test_string_tensors_in_attributes_are_compared_too():
    text = """agraph (float[2] x) => (y) { k = Constant <value_floats = [1.0, 2.0]> () a = Mul (x, k) y = Neg (a) }"""
    model = parse(text)
    words = ir.StringTensor(np.array([b"a", b"b"], dtype=object), shape=ir.Shape([2]))
    for node in list(model.graph)[1:]:
        node.op_type = "LabelEncoder"
        node.domain = "ai.onnx.ml"
        node.attributes["keys_tensor"] = ir.AttrTensor("keys_tensor", words)
    assert merge_equal(model, PassContext()) == 0


def test_equal_outputs_of_the_graph_stay_two_nodes():
    model = parse("agraph (float[2] x) => (y, z) { y = Exp (x) z = Exp (x) }")
    assert merge_equal(model, PassContext()) == 0 and operators(model) == ["Exp", "Exp"]


def test_an_output_takes_over_the_value_that_is_merged_with_it():
    model = parse("agraph (float[2] x) => (z, w) { h = Exp (x) w = Neg (h) z = Exp (x) }")
    before = model.clone()
    assert merge_equal(model, PassContext()) == 1
    assert operators(model) == ["Exp", "Neg"] and [v.name for v in model.graph.outputs] == ["z", "w"]
    assert_same_answers(before, model, random_feeds(before))


def test_a_subgraph_reuses_what_the_graph_around_it_computes():
    text = """agraph (bool c, float[2] x) => (float[2] y) {
        h = Exp (x)
        b = If (c) <then_branch = g1 () => (float[2] t) { a = Exp (x) t = Neg (a) },
                    else_branch = g2 () => (float[2] e) { e = Abs (x) }>
        y = Mul (b, h) }"""
    model = parse(text)
    before = model.clone()
    assert merge_equal(model, PassContext()) == 1
    assert operators(model).count("Exp") == 1
    assert_same_answers(before, model, {"c": np.array(True), "x": np.ones(2, np.float32)})
