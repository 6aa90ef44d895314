"""rewire.py: the surface of a graph stays, whatever is put behind it."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.passes.rewrite.rewire import each_graph, is_used, replace_by_constant, replace_value
from tests.passes.models import assert_same_answers, operators, parse, run_ort


def test_an_output_takes_over_a_value_of_its_graph_or_gets_an_identity():
    model = parse("agraph (float[2] x) => (y, z) { a = Relu (x) y = Abs (a) z = Neg (x) }")
    relu, absolute, negative = model.graph
    replace_value(model.graph, absolute.outputs[0], relu.outputs[0])
    assert [v.name for v in model.graph.outputs] == ["y", "z"] and model.graph.outputs[0] is relu.outputs[0]
    assert not is_used(absolute) and is_used(relu)
    replace_value(model.graph, negative.outputs[0], relu.outputs[0])
    assert [v.name for v in model.graph.outputs] == ["y", "z"] and "Identity" in operators(model)
    x = np.array([-1.0, 2.0], np.float32)
    for answer in run_ort(model, {"x": x}):
        np.testing.assert_array_equal(answer, [0.0, 2.0])


def test_a_constant_takes_the_place_of_what_is_computed():
    model = parse("agraph (float[2] x) => (y, z) { a = Relu (x) y = Abs (a) z = Identity (a) }")
    replace_by_constant(model.graph.node(0).outputs[0], np.array([3.0, 4.0], np.float32))
    expected = parse("agraph (float[2] x) => (y, z) <float[2] a = {3.0, 4.0}> { y = Abs (a) z = Identity (a) }")
    assert_same_answers(expected, model, {"x": np.zeros(2, np.float32)})


def test_each_graph_comes_before_its_subgraphs():
    model = parse("""agraph (bool c, float[2] x) => (y) { y = If (c) <
        then_branch = g1 () => (float[2] t) { t = If (c) <
            then_branch = g3 () => (float[2] a) { a = Neg (x) }, else_branch = g4 () => (float[2] b) { b = Abs (x) }> },
        else_branch = g2 () => (float[2] e) { e = Abs (x) }> }""")
    names = [g.name for g in each_graph(model)]
    assert names[0] == "agraph" and set(names) == {"agraph", "g1", "g2", "g3", "g4"}
    assert names.index("g1") < names.index("g3")


def test_the_shape_that_the_file_says_of_an_output_goes_to_what_takes_its_name():
    model = parse("agraph (float[2] x) => (float[2] y) { h = Abs (x) y = Identity (h) }")
    inner, outer = model.graph
    inner.outputs[0].shape, outer.outputs[0].shape = None, ir.Shape([2])
    replace_value(model.graph, outer.outputs[0], inner.outputs[0])
    assert model.graph.outputs[0] is inner.outputs[0] and str(inner.outputs[0].shape) == "[2]"
