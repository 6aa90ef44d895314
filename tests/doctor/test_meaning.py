"""What a tensor in a plan's memory stands for."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import onnx_ir as ir
import onnxruntime
import pytest

from burnish.building.analyze import prepare
from burnish.doctor.meaning import Meaning, meanings_of
from burnish.precision.codes import FLOAT8
from burnish.precision.precision import parse_precision
from burnish.precision.quantise.write_codes import write_codes
from tests.doctor.planted import fitting_ranges, mlp, model_of, normal


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_codes_are_those_of_onnx(dtype: type) -> None:
    zero = np.array(3, dtype)
    model = model_of(
        f"g (float[4,8] x) => ({np.dtype(dtype).name}[4,8] q) {{ q = QuantizeLinear(x, s, z) }}",
        s=np.array(0.02, np.float32),
        z=zero,
    )
    x = normal(4, 8, seed=1, scale=2)
    want = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    meaning = Meaning("x", np.array(0.02, np.float32), zero.astype(np.float32), dtype=np.dtype(dtype))
    assert np.array_equal(meaning.encode(x, np.dtype(dtype)), want)
    np.testing.assert_allclose(meaning.decode(want), (want.astype(np.float64) - 3) * np.float32(0.02), rtol=1e-6)


def test_codes_of_float8_are_those_of_onnx_also_of_what_is_past_their_end() -> None:
    text = "g (float[4,8] x) => (float8e4m3fn[4,8] q) { q = QuantizeLinear<output_dtype = 17>(x, s) }"
    model, x = model_of(text, s=np.array(0.02, np.float32)), normal(4, 8, seed=1, scale=5)
    x[0, :3] = np.inf, -3e38, np.nan
    want = onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]
    meaning = Meaning("x", np.array(0.02, np.float32), np.zeros((), np.float32), dtype=FLOAT8)
    assert np.array_equal(meaning.encode(x, FLOAT8).view(np.uint8), want)


def test_a_scale_for_each_channel_and_what_is_no_number() -> None:
    meaning = Meaning("x", np.array([1, 2], np.float32), np.zeros(2, np.float32), axis=1, dtype=np.dtype(np.int8))
    x = np.array([[3.0, 3.0], [np.nan, 1e9], [-np.inf, -4.0]], np.float32)
    assert meaning.encode(x, np.dtype(np.int8)).tolist() == [[3, 2], [-128, 127], [-128, -2]]
    low, high = meaning.range(2)
    assert low.tolist() == [[-128, -256]] and high.tolist() == [[127, 254]]


def test_floats_are_rounded_and_leave_their_range() -> None:
    x = np.array([1.001, 7e4, 300.7], np.float32)
    half = Meaning("x").encode(x, np.dtype(np.float16))
    assert half.tolist() == [np.float16(1.001), np.inf, np.float16(300.7)]
    assert Meaning("x").encode(x, np.dtype(ml_dtypes.bfloat16)).astype(np.float32)[2] == 300


def test_names_in_a_plan_lead_to_the_models_tensors() -> None:
    model = mlp()
    found = prepare(model)
    graph = found.imported.model.graph
    write_codes(graph, parse_precision("int8", None, fitting_ranges(model)))
    meanings = meanings_of(graph, graph)
    assert meanings["b/codes"].tensor == "b" and meanings["b/codes"].is_code
    back = meanings["b/quantised"]
    assert back.tensor == "b" and not back.is_code and back.coded is meanings["b/codes"]
    numbers = normal(3, 24)
    kept = back.encode(numbers, np.dtype(np.float32))
    assert np.array_equal(kept, meanings["b/codes"].decode(meanings["b/codes"].encode(numbers, np.dtype(np.uint8))))
    assert meanings["y"].tensor == "y" and meanings["x"].scale is None


@pytest.mark.parametrize(("scale", "zero", "is_known"), [(0.5, 3, True), (0.25, 3, False), (0.5, 4, False)])
def test_codes_that_are_read_by_another_scale_are_not_the_tensor_any_more(
    scale: float, zero: int, is_known: bool
) -> None:
    text = """g (float[2,4] x) => (float[2,4] y) {
        q = QuantizeLinear(x, s, z)   d = DequantizeLinear(q, t, u)   y = Relu(d)
    }"""
    constants = {"s": np.float32(0.5), "z": np.uint8(3), "t": np.float32(scale), "u": np.uint8(zero)}
    graph = ir.from_proto(model_of(text, **constants)).graph
    assert ("d" in meanings_of(graph, graph)) is is_known
