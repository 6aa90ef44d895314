"""An ill-conditioned model is recognised as one; a wrong plan is still rejected."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import burnish
from burnish.verification import verify
from burnish.verification.conditioning import sensitivity, shake
from burnish.verification.oracle import Oracle
from burnish.verification.tolerance import HIGHEST, Tolerance
from tests.small_model import small_model


def variance_model(offset: float) -> onnx.ModelProto:
    """y = mean((x + offset)^2) - mean(x + offset)^2: cancels the more, the larger the offset."""
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("Add", ["x", "offset"], ["z"]),
        helper.make_node("Mul", ["z", "z"], ["zz"]),
        helper.make_node("ReduceMean", ["zz", "axis"], ["mean_of_squares"], keepdims=0),
        helper.make_node("ReduceMean", ["z", "axis"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "mean"], ["square_of_mean"]),
        helper.make_node("Sub", ["mean_of_squares", "square_of_mean"], ["y"]),
    ]
    constants = [
        numpy_helper.from_array(np.float32(offset), "offset"),
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
    ]
    graph = helper.make_graph(
        nodes, "variance", [value("x", TensorProto.FLOAT, [8, 250])], [value("y", TensorProto.FLOAT, [8])], constants
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def moved_by(model: onnx.ModelProto) -> float:
    inputs = {"x": np.random.default_rng(0).standard_normal((8, 250)).astype(np.float32)}
    return sensitivity(model, inputs, Oracle(model.SerializeToString())(inputs), "")["y"]


def test_cancellation_shows_as_sensitivity() -> None:
    assert moved_by(variance_model(1.0)) < 1e-5
    assert moved_by(variance_model(40.0)) > 1e-4


def test_a_right_plan_of_an_ill_conditioned_model_is_accepted_and_a_wrong_one_is_not(tmp_path: Path) -> None:
    model = variance_model(40.0)
    onnx.save(model, str(tmp_path / "m.onnx"))
    assert verify(tmp_path / "m.onnx", burnish.build(model)).is_accepted
    scaled = variance_model(40.0)
    scaled.graph.node[-1].output[0] = "raw"
    scaled.graph.initializer.append(numpy_helper.from_array(np.float32(1.02), "scale"))
    scaled.graph.node.append(helper.make_node("Mul", ["raw", "scale"], ["y"]))
    assert not verify(tmp_path / "m.onnx", burnish.build(scaled)).is_accepted


def test_a_wrong_plan_of_a_sound_model_stays_rejected(tmp_path: Path) -> None:
    onnx.save(small_model(3), str(tmp_path / "m.onnx"))
    wrong = small_model(3)
    weights = numpy_helper.to_array(wrong.graph.initializer[0]) * np.float32(1.001)
    wrong.graph.initializer[0].CopyFrom(numpy_helper.from_array(weights, "W"))
    assert not verify(tmp_path / "m.onnx", burnish.build(wrong)).is_accepted


def test_limits_widen_to_the_cap_and_exact_ones_do_not() -> None:
    assert Tolerance(1e-5).widened(1e-6).relative == 1e-5
    assert Tolerance(1e-5).widened(1e-4).relative == 4e-4
    assert Tolerance(1e-5).widened(1.0).relative == HIGHEST
    assert Tolerance(0.0).widened(1.0).relative == 0.0


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_shaking_moves_every_float_to_a_neighbour(dtype: type) -> None:
    array = np.array([1.0, -3.5, 0.0, np.finfo(dtype).max, np.nan], dtype)
    moved = shake(array, np.random.default_rng(0))
    assert moved.dtype == array.dtype
    assert all(abs(float(a) - float(b)) == float(np.spacing(min(abs(a), abs(b)))) for a, b in zip(moved[:2], array[:2]))
    assert moved[2] == 0.0 and np.isfinite(moved[3]) and np.isnan(moved[4])


def test_what_is_no_float_is_not_shaken() -> None:
    for array in (np.arange(3), np.array(["a"], dtype=object), np.zeros((0,), np.float32)):
        assert shake(array, np.random.default_rng(0)) is array
