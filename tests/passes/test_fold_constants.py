"""fold_constants.py: what depends on constants alone is computed at build time, within bounds."""

from __future__ import annotations

import numpy as np

from burnish.passes.fold_constants import fold_constants
from burnish.passes.lift_constants import lift_constants
from burnish.passes.merge_equal import merge_equal
from burnish.passes.rewrite.context import PassContext
from tests.passes.models import assert_same_answers, operators, parse, random_feeds


def test_a_chain_of_constants_folds_in_one_walk():
    text = """agraph (float[3,3] x) => (float[3,3] y)
        <float[3] c = {1.0, 2.0, 3.0}, int64[1] one = {1}, int64[2] s = {3, 3}> {
        a = Unsqueeze (c, one) b = Expand (a, s) d = Exp (b) t = Trilu (d) y = Mul (x, t) }"""
    model = parse(text)
    before = model.clone()
    context = PassContext()
    assert fold_constants(model, context) == 4
    assert operators(model) == ["Mul"]
    assert_same_answers(before, model, random_feeds(before))
    assert fold_constants(model, context) == 0


def test_a_constant_that_is_an_output_keeps_its_name():
    model = parse(
        "agraph (float[2] x) => (float[2] y, float[2] z) <float[2] c = {1.0, 2.0}> { y = Exp (c) z = Relu (x) }"
    )
    before = model.clone()
    fold_constants(model, PassContext())
    assert operators(model) == ["Identity", "Relu"]
    assert_same_answers(before, model, random_feeds(before))


def test_a_result_above_the_limit_is_left_to_the_run_unless_it_shrinks():
    text = """agraph (float[1] x) => (float[64,64] y) <float[1] c = {1.0}, int64[2] s = {64, 64}> {
        [big] b = Expand (c, s) y = Mul (b, x) }"""
    model = parse(text)
    context = PassContext(fold_limit_bytes=1024)
    assert fold_constants(model, context) == 0
    assert "16384 bytes is larger than 1024" in context.report.why("fold_constants", "big")[0].reason
    assert fold_constants(model, PassContext()) == 1
    model = parse(text.replace("y = Mul", "t = Transpose (b) y = Mul").replace("(b, x)", "(t, x)"))
    fold_constants(model, PassContext(fold_limit_bytes=16384))
    assert operators(model) == ["Mul"]


def test_dequantised_weights_stay_quantised_and_quantising_is_done_here():
    text = """agraph (float[2] x) => (float[2] y) <float[2] w = {1.0, -2.0}, float s = {0.5}, int8 z = {0}> {
        q = QuantizeLinear (w, s, z) d = DequantizeLinear (q, s, z) y = Mul (x, d) }"""
    model = parse(text)
    before = model.clone()
    assert fold_constants(model, PassContext()) == 1
    assert operators(model) == ["DequantizeLinear", "Mul"]
    assert_same_answers(before, model, random_feeds(before))


def test_random_numbers_stay_random():
    model = parse("agraph (float[2] x) => (float[2] y) { r = RandomNormal <shape = [2]> () y = Add (x, r) }")
    assert fold_constants(model, PassContext()) == 0


def test_a_node_that_the_evaluator_refuses_is_left_alone_with_its_reason():
    text = """agraph (float[2] x) => (y) <float[2] a = {1.0, 2.0}, int64[1] i = {7}> {
        [bad] m = Gather (a, i) y = Relu (x) }"""
    model = parse(text)
    context = PassContext()
    assert fold_constants(model, context) == 0
    assert "the reference evaluator says" in context.report.why("fold_constants", "bad")[0].reason


def test_results_have_the_declared_dtype():
    text = "agraph (float16[2] x) => (float16[2] y) <float16[2] c = {15360, 16384}> { e = Erf (c) y = Mul (x, e) }"
    model = parse(text)
    assert fold_constants(model, PassContext()) == 1
    (value,) = [v for v in model.graph.initializers.values() if v.name == "e"]
    assert value.const_value is not None and value.const_value.numpy().dtype == np.float16


def test_subgraphs_fold_too():
    text = """agraph (bool c, float[1] x) => (float[1] y) <float[1] k = {2.0}> {
        y = If (c) <then_branch = g1 () => (float[1] t) { e = Exp (k) t = Mul (x, e) },
                    else_branch = g2 () => (float[1] e2) { e2 = Relu (x) }> }"""
    model = parse(text)
    before = model.clone()
    lift_constants(model, PassContext())
    assert fold_constants(model, PassContext()) == 1
    assert_same_answers(before, model, {"c": np.array(True), "x": np.ones(1, np.float32)})


def test_outputs_that_are_left_out_of_a_folded_node_become_nothing():
    text = """agraph (float[1,2] x) => (float[1,2] y, float[1,1] d)
        <float[1,2] c = {1.0, 3.0}, float[2] s = {1.0, 1.0}> {
        n, , d = LayerNormalization (c, s) y = Add (x, n) }"""
    model = parse(text)
    before = model.clone()
    assert fold_constants(model, PassContext()) == 1
    assert operators(model) == ["Identity", "Add"]
    assert_same_answers(before, model, random_feeds(before))


def test_constants_of_strings_fold_and_merge_as_any():
    text = """agraph (float[2] x) => (float[2] y, bool[2] e) <string[2] s = {"a", "b"}, string[2] t = {"a", "c"}> {
        e = Equal (s, t) y = Relu (x) }"""
    model = parse(text)
    assert fold_constants(model, PassContext()) == 1 and operators(model) == ["Identity", "Relu"]
    model = parse(text.replace("Equal (s, t)", "Equal (s, u)").replace("float[2] x)", "float[2] x, string[2] u)"))
    merge_equal(model, PassContext())
    assert operators(model) == ["Equal", "Relu"]
