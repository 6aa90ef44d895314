from __future__ import annotations

import pytest

from burnish.dtypes import DType
from burnish.ops.language.definition import NodeView, Tensor
from burnish.ops.registry import Undefined, define, defined_operators, is_defined


def node(op_type, *inputs, outputs=("y",), **attributes):
    return NodeView(op_type, "node", inputs, attributes, outputs, 22)


X = Tensor("x", DType.F32, (2, 3))


def test_operators_are_found_by_domain_and_name():
    assert is_defined("", "Relu")
    assert is_defined("ai.onnx", "Relu")
    assert not is_defined("com.microsoft", "Relu")
    assert ("", "Softmax") in defined_operators()


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
