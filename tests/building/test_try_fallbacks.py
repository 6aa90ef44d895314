"""try_fallbacks.py: what can never run is refused by the build; what only made-up content gets wrong is not."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import burnish
from burnish.building import try_fallbacks as module
from burnish.errors import UserError
from burnish.reference.evaluator import OPERATORS


def model(body: str, inputs: str, outputs: str, domains: str = "") -> onnx.ModelProto:
    text = f'<ir_version: 10, opset_import: ["" : 21{domains}]> g ({inputs}) => ({outputs}) {{ {body} }}'
    return onnx.parser.parse_model(text)


def gradient() -> onnx.ModelProto:
    domain = "ai.onnx.preview.training"
    node = helper.make_node("Gradient", ["x"], ["y"], domain=domain, xs=["x"], y="x", name="slope")
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, [2]) for n in "xy")
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(domain, 1)]
    return helper.make_model(helper.make_graph([node], "g", [x], [y]), opset_imports=opsets, ir_version=10)


def test_an_operator_without_any_kernel_is_refused_by_name():
    with pytest.raises(UserError, match="E216") as caught:
        burnish.build(gradient())
    assert "slope" in caught.value.where and "Gradient" in caught.value.what


def test_a_step_that_fails_where_no_content_can_be_to_blame_is_refused(monkeypatch: pytest.MonkeyPatch):
    def fails(*_: object, **__: object) -> None:
        raise ValueError("it never works")

    monkeypatch.setitem(OPERATORS, "GridSample", fails)
    module.evaluator.__globals__["_evaluator_class"].cache_clear()
    try:
        inputs = "float[1,1,4,4] x, float[1,2,2,2] g"
        text = model('y = GridSample <mode = "cubic"> (x, g)', inputs, "float[1,1,2,2] y")
        with pytest.raises(UserError, match=r"(?s)E216.*it never works"):
            burnish.build(text)
    finally:
        module.evaluator.__globals__["_evaluator_class"].cache_clear()


def test_a_result_of_another_shape_than_the_plan_is_laid_out_for_is_refused(monkeypatch: pytest.MonkeyPatch):
    real = module.evaluator

    class Wrong:
        def __init__(self, proto: bytes) -> None:
            self.real = real(proto)

        def run(self, names: list[str], feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
            return [np.concatenate([r, r]) for r in self.real.run(names, feeds)]

    monkeypatch.setattr(module, "evaluator", Wrong)
    text = model("y = Det (x)", "float[3,2,2] x", "float[3] y")
    with pytest.raises(UserError, match=r"(?s)E216.*is \[6\]; shape inference says \[3\]"):
        burnish.build(text)


@pytest.mark.parametrize(
    "body",
    [
        "y = Reshape (x, s)",  # no made-up shape fits 6 elements
        "i = Add (s, s)  y = Tile (x, i)",
        'y = Loop ("", c, x) <body = turn (int64 i, bool a, float[n, m] v) => (bool b, float[n, m] w) '
        "{ b = Identity (a)  w = Add (v, v) }>",  # has no end if its condition is true
        'y = Resize (x, "", f)',
    ],
)
def test_what_content_may_make_right_is_left_to_the_run(body: str):
    burnish.build(model(body, "float[2,3] x, int64[2] s, bool c, float[2] f", "float[2,1] y"))


def test_a_large_step_is_not_run(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_BYTES", 8)
    made = []
    monkeypatch.setattr(module, "evaluator", lambda proto: made.append(proto))  # what it gives cannot be run
    burnish.build(model("y = Det (x)", "float[3,2,2] x", "float[3] y"))
    assert len(made) == 1
