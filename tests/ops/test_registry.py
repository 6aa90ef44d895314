from __future__ import annotations

import json
from pathlib import Path

import pytest

from burnish.dtypes import DType
from burnish.ops.language.definition import NodeView, Tensor
from burnish.ops.registry import Undefined, define, defined_operators, is_defined


def node(op_type, *inputs, outputs=("y",), **attributes):
    return NodeView(op_type, "node", inputs, attributes, outputs, 22)


WITHOUT_CASES = {
    "GlobalLpPool",
    "ai.burnish.AttentionOfCodes",
    "ai.onnx.ml.Scaler",
    "ai.onnx.ml.TreeEnsembleClassifier",
    "ai.onnx.ml.TreeEnsembleRegressor",
    "com.microsoft.GatherBlockQuantized",
    "com.microsoft.MatMulNBits",
}  # in ONNX
X = Tensor("x", DType.F32, (2, 3))


def test_operators_are_found_by_domain_and_name():
    assert is_defined("", "Relu")
    assert is_defined("ai.onnx", "Relu")
    assert not is_defined("com.microsoft", "Relu")


def test_the_operators_with_a_definition_are_those_whose_node_cases_have_one():
    """A family left out of FAMILIES, or a definition that is gone, shows here: the record was made from the cases."""
    record = json.loads((Path(__file__).parents[1] / "data" / "native.json").read_text(encoding="utf-8"))
    groups = [(name, keys) for name, found in record.items() for group in found for keys in group.items()]
    recorded = {name for name, (ways, answer) in groups if "definition" in ways.split() and answer == "defined"}
    defined = {".".join(filter(None, pair)) for pair in defined_operators()}
    assert recorded - defined == {"Constant"}, "a content, which no definition computes"
    assert defined - recorded == WITHOUT_CASES


def test_an_operator_without_a_definition_says_so():
    with pytest.raises(Undefined, match="NonMaxSuppression has no definition"):
        define(node("NonMaxSuppression", X))


def test_outputs_left_out_have_no_definition():
    y, mask = define(node("Dropout", X, outputs=("y", "")))
    assert y is not None
    assert mask is None


def test_a_form_that_is_left_out_gives_its_reason():
    with pytest.raises(Undefined, match=r"Resize\(mode='cubic'\)"):
        define(node("Resize", Tensor("x", DType.F32, (1, 1, 4, 4)), mode="cubic"))
