"""Scaler against ONNX Runtime, through the whole compiler; and the forms that stay with the reference kernel."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

import burnish
from burnish.errors import UserError
from burnish.importers import load_model
from burnish.ops.inference.infer import infer

ML = "ai.onnx.ml"
EACH: dict[str, Any] = {"offset": [0.5, -1.0, 1e8], "scale": [2.0, 0.1, 3.0]}


def scaler(dtype: str, shape: list[Any], **attributes: Any) -> onnx.ModelProto:
    node = helper.make_node("Scaler", ["x"], ["y"], domain=ML, **attributes)
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    values = (helper.make_tensor_value_info(name, t, shape) for name, t in (("x", kind), ("y", TensorProto.FLOAT)))
    x, y = values
    opsets = [helper.make_opsetid(ML, 1), helper.make_opsetid("", 18)]
    return helper.make_model(helper.make_graph([node], "scaler", [x], [y]), opset_imports=opsets, ir_version=9)


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32", "int64"])
@pytest.mark.parametrize("attributes", [EACH, {"offset": [0.25], "scale": [1.5]}], ids=["each", "one"])
def test_a_scaler_of_every_type(dtype: str, attributes: dict[str, Any]) -> None:
    model = scaler(dtype, ["N", 3], **attributes)
    x = (np.random.default_rng(0).normal(size=(5, 3)) * 1e4).astype(dtype)
    if dtype.startswith("float"):
        x[0], x[1] = np.nan, np.inf
    (want,) = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})
    plan = burnish.build(model, profile={"x": ((1, 3), (5, 3), (9, 3))})
    assert not any("reference" in note for note in plan.manifest.notes), plan.manifest.notes
    with burnish.load(plan) as engine:
        got = engine({"x": x})["y"]
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, want)


def test_numbers_for_another_count_of_features_are_refused() -> None:
    with pytest.raises(UserError, match="3 numbers of offset for 4 features"):
        burnish.build(scaler("float32", [2, 4], **EACH))


@pytest.mark.parametrize(
    ("shape", "attributes", "why"),
    [
        ([2, "F"], EACH, "a number of features that is only known during the run"),
        ([2, 3], {"scale": [1.0]}, "without offset and scale"),
    ],
)
def test_what_stays_with_the_reference_kernel(shape: list[Any], attributes: dict[str, Any], why: str) -> None:

    inferred = infer(load_model(scaler("float32", shape, **attributes)).model.graph)
    assert any(why in reason for reason in inferred.undefined.values())
