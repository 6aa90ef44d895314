"""Our definitions replace onnx's everywhere: in a node, in the graphs inside a node, and in function bodies."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from burnish.reference.evaluator import OPERATORS, evaluator

X = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
POOL = "y, i = MaxPool <kernel_shape = [2, 2]> (x)"
SIDE = f"() => (int64[1,2,1,1] i) {{ {POOL} }}"
GRAPHS = {
    "node": POOL,
    "side of an If": f"c = Constant <value = bool {{1}}> ()i = If (c) <then_branch = a {SIDE}, else_branch = b {SIDE}>",
    "function": "i = own.places (x)",
}


@pytest.mark.parametrize("where", GRAPHS)
def test_our_definition_is_used_in_a(where: str):
    text = f"""<ir_version: 10, opset_import: ["" : 22, "own" : 1]>
    g (float[1,2,2,2] x) => (int64[1,2,1,1] i) {{ {GRAPHS[where]} }}
    <domain: "own", opset_import: ["" : 22]> places (x) => (i) {{ {POOL} }}"""
    (places,) = evaluator(onnx.parser.parse_model(text)).run(None, {"x": X})
    assert places.ravel().tolist() == [3, 7]


def test_a_model_may_be_its_bytes():
    model = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 22]> g (float[2] x) => (float[2] y) { y = Neg(x) }'
    )
    (y,) = evaluator(model.SerializeToString()).run(None, {"x": np.ones(2, np.float32)})
    assert y.tolist() == [-1, -1]


def test_every_definition_of_ours_is_of_an_operator_of_onnx():
    known = {s.name for s in onnx.defs.get_all_schemas() if s.domain == ""}
    assert OPERATORS.keys() <= known
