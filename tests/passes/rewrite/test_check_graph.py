from __future__ import annotations

import onnx_ir as ir
import pytest

from burnish.errors import InternalError
from burnish.passes.pipeline import Pass, optimize
from burnish.passes.rewrite.check_graph import check_graph, surfaces
from burnish.passes.rewrite.context import PassContext

TEXT = """
<ir_version: 10, opset_import: ["" : 22]>
g (float[2,3] x) => (float[2,3] y) {
    a = Relu(x)
    b = Neg(a)
    y = Exp(b)
}
"""


@pytest.fixture
def model():
    return ir.from_onnx_text(TEXT)


def broken_by(model, change, why):
    """What a pass that makes this change is told."""
    pipeline = (Pass("vandal", "breaks things", lambda m, c: change(m.graph, *m.graph) or 1),)
    with pytest.raises(InternalError, match=why) as caught:
        optimize(model, PassContext(), pipeline)
    assert caught.value.code == "E912"
    assert "the pass vandal" in caught.value.what


def test_a_whole_graph_passes(model):
    check_graph(model, surfaces(model), "none")


def test_a_node_before_what_it_reads_is_found(model):
    broken_by(model, lambda g, relu, neg, exp: g.insert_before(relu, g.remove(neg) or neg), "nothing before it makes")


def test_a_value_of_no_graph_is_found(model):
    stray = ir.node("Relu", [ir.Value(name="z")])
    broken_by(model, lambda g, relu, neg, exp: exp.replace_input_with(0, stray.outputs[0]), "nothing before it makes")


def test_a_removed_node_that_still_reads_is_found(model):
    def forget(g, relu, neg, exp):
        exp.replace_input_with(0, relu.outputs[0])
        g.remove(neg)

    broken_by(model, forget, "in no graph, uses 'a'")


def test_two_values_of_one_name_are_found(model):
    def rename(g, relu, neg, exp):
        neg.outputs[0].name = "a"

    broken_by(model, rename, "two values have this name")


def test_an_output_that_nothing_makes_is_found(model):
    def replace(g, relu, neg, exp):
        g.outputs[0] = ir.Value(name="y", type=exp.outputs[0].type, shape=exp.outputs[0].shape)

    broken_by(model, replace, "nothing makes its output 'y'")


@pytest.mark.parametrize("shape", [ir.Shape([6]), None])
def test_an_output_of_another_rank_is_found(model, shape):
    def widen(g, relu, neg, exp):
        g.outputs[0].shape = shape

    broken_by(model, widen, "it was .*, it is")


def test_an_output_of_another_dtype_is_found(model):
    def narrow(g, relu, neg, exp):
        g.outputs[0].type = ir.TensorType(ir.DataType.FLOAT16)

    broken_by(model, narrow, "it was .*, it is")


def test_inside_a_branch_what_is_around_it_is_seen():
    text = """
    <ir_version: 10, opset_import: ["" : 22]>
    g (bool c, float[3] x) => (float[3] y) {
        a = Relu(x)
        y = If(c) <then_branch = t () => (float[3] p) { p = Neg(a) }, else_branch = e () => (float[3] q) { q = Exp(a) }>
    }
    """
    model = ir.from_onnx_text(text)
    check_graph(model, surfaces(model), "none")
