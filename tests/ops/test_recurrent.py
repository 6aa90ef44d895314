from __future__ import annotations

import pytest

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.ops.language.definition import NodeView, Recurrent, Tensor
from burnish.ops.registry import Undefined, define

t, b = symbol("t"), symbol("b")
X = Tensor("x", DType.F32, (t, b, 5))


def lstm(outputs, **attributes):
    weights = Tensor("w", DType.F32, (2, 12, 5)), Tensor("r", DType.F32, (2, 12, 3))
    attributes = {"hidden_size": 3, "direction": "bidirectional", **attributes}
    return define(NodeView("LSTM", "node", (X, *weights), attributes, outputs, 22))


def test_outputs_are_those_that_are_used():
    definition, *rest = lstm(("y", "", "c"))
    assert isinstance(definition, Recurrent)
    assert definition.outputs == (((t, 2, b, 3), DType.F32), None, ((2, b, 3), DType.F32))
    assert rest == [None, None]


def test_defaults_are_spelled_out():
    definition, *_ = lstm(("y",))
    assert definition.attributes["activations"] == ("Sigmoid", "Tanh", "Tanh") * 2
    assert definition.inputs[3:] == (None,) * 5


def test_batch_major_layout_is_left_out():
    with pytest.raises(Undefined, match="layout=1"):
        lstm(("y",), layout=1)
