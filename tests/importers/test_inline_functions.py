"""inline_functions.py: functions of the model, and operators that ONNX defines by functions."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from burnish.errors import UserError
from burnish.importers import load_model
from tests.importers.build import answers, assert_import_keeps_answers, parse, random

CALL = "agraph (float[2,3] x) => (float[2,3] y) { h = local.twice <factor = 3.0> (x) [outer] y = local.twice (h) }"
TWICE = """<opset_import: ["" : 17, "local" : 1], domain: "local"> twice <factor: float = 2.0> (a) => (b) {
    [scale] c = Constant <value_float: float = @factor> () b = Mul (a, c) }"""


def test_model_functions_are_inlined_with_their_attributes():
    proto = parse(17, CALL, functions=TWICE, domains=', "local" : 1')
    imported = load_model(proto)
    assert not imported.model.functions
    assert [n.op_type for n in imported.model.graph] == ["Constant", "Mul", "Constant", "Mul"]
    x = random(2, 3)
    assert_import_keeps_answers(proto, imported, {"x": x}, [x * 6])
    names = [n.name for n in imported.model.graph]
    assert len(set(names)) == len(names)


def test_a_function_of_an_older_opset_than_the_model_means_what_its_opset_says():
    function = """<opset_import: ["" : 11], domain: "local"> flat_softmax (a) => (b) { b = Softmax (a) }"""
    text = "agraph (float[2,3,4] x) => (float[2,3,4] y) { y = local.flat_softmax (x) }"
    proto = parse(17, text, functions=function, domains=', "local" : 1')
    x = random(2, 3, 4)
    exponent = np.exp(x.reshape(2, 12))
    want = (exponent / exponent.sum(1, keepdims=True)).reshape(x.shape)
    assert_import_keeps_answers(proto, load_model(proto), {"x": x}, [want])


def test_a_function_that_calls_itself_is_refused():
    function = """<opset_import: ["" : 17, "local" : 1], domain: "local"> twice (a) => (b) { b = local.twice (a) }"""
    text = "agraph (float[2] x) => (float[2] y) { y = local.twice (x) }"
    with pytest.raises(UserError, match="E117"):
        load_model(parse(17, text, functions=function, domains=', "local" : 1'))


@pytest.mark.parametrize(
    ("op", "text"),
    [
        ("MeanVarianceNormalization", "y = MeanVarianceNormalization <axes = [1]> (x)"),
        ("HardSwish", "y = HardSwish (x)"),
        ("Celu", "y = Celu <alpha = 0.5> (x)"),
        ("Gelu", 'y = Gelu <approximate = "tanh"> (x)'),
        ("Softsign", "y = Softsign (x)"),
        ("ReduceLogSumExp", "h = ReduceLogSumExp (x) y = Mul (x, h)"),
        ("LayerNormalization", "y = LayerNormalization (x, s)"),
        ("HammingWindow", "n = Constant <value_int = 3> () w = HammingWindow (n) y = Mul (x, w)"),
    ],
)
def test_an_operator_that_is_not_kept_is_inlined_from_its_definition(op: str, text: str):
    proto = parse(20, f"agraph (float[2,3] x) => (float[2,3] y) <float[3] s = {{1.0, 2.0, 3.0}}> {{ {text} }}")
    imported = load_model(proto, keep=lambda domain, op_type: op_type != op)
    assert op not in [n.op_type for n in imported.model.graph]
    assert len({v.name for n in imported.model.graph for v in n.outputs}) == sum(
        len(n.outputs) for n in imported.model.graph
    )
    x = random(2, 3)
    assert_import_keeps_answers(proto, imported, {"x": x})


def test_operators_defined_with_loops_stay_one_node():
    proto = parse(11, "agraph (int64 a, int64 b, int64 c) => (int64[n] y) { y = Range (a, b, c) }")
    imported = load_model(proto, keep=lambda domain, op_type: False)
    assert [n.op_type for n in imported.model.graph] == ["Range"]


def test_without_keep_nothing_but_model_functions_is_inlined():
    proto = parse(20, "agraph (float[2,3] x) => (float[2,3] y) { y = Gelu (x) }")
    imported = load_model(proto)
    assert [n.op_type for n in imported.model.graph] == ["Gelu"]
    assert isinstance(proto, onnx.ModelProto) and answers(proto, {"x": random(2, 3)})[0].shape == (2, 3)
