"""fold_scale_into_quantize.py: requantisation by one factor. Oracle: QLinearMatMul of ONNX Runtime, bit by bit."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from burnish.passes.quantised.fold_scale_into_quantize import FoldScaleIntoQuantize
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import ir, run_ort

SUM = "i = MatMulInteger(x, w, zx) f = Cast<to=1>(i) v = Mul(f, c) "
GIVEN = "uint8[64,40] x"
RNG = np.random.default_rng(4)
SX, SY, SW = np.float32(0.0371), np.float32(0.6137), RNG.uniform(0.001, 0.05, 24).astype(np.float32)
W = RNG.integers(-128, 128, (40, 24)).astype(np.int8)
WEIGHTS = {"w": W, "zx": np.uint8(99), "c": SX * SW, "s": SY, "z": np.int8(-9)}


def feeds():
    return {"x": np.random.default_rng(8).integers(0, 256, (64, 40)).astype(np.uint8)}


def test_the_result_is_that_of_qlinearmatmul_bit_by_bit():
    model = build(GIVEN, SUM + "y = QuantizeLinear(v, s, z)", **{**WEIGHTS, "z": np.uint8(119)})
    assert assert_fires_once(model, FoldScaleIntoQuantize()) == [
        "i = MatMulInteger(x, w[40,24], 99)",
        "f = Cast(i) to=1",
        "_ = Mul(f, factor[24])",
        "y = QuantizeLinear(_, 1, 119)",
    ]
    names = ["sx", "zx", "w", "sw", "zw", "sy", "zy"]
    arrays = [SX, np.uint8(99), W, SW, np.zeros(24, np.int8), SY, np.uint8(119)]
    whole = helper.make_graph(
        [helper.make_node("QLinearMatMul", ["x", *names], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.UINT8, [64, 40])],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, [64, 24])],
        [numpy_helper.from_array(np.asarray(a), n) for n, a in zip(names, arrays, strict=True)],
    )
    oracle = ir.from_proto(helper.make_model(whole, opset_imports=[helper.make_opsetid("", 21)], ir_version=10))
    (want,), (got,) = run_ort(oracle, feeds()), run_ort(model, feeds())
    assert len(np.unique(want)) > 100
    np.testing.assert_array_equal(got, want)


FORMS = {
    "relu": ("r = Relu(v) y = QuantizeLinear(r, s, z)", ["_ = Relu(_)"]),
    "clip": ("r = Clip(v, n, m) y = QuantizeLinear(r, s, z)", ["_ = Clip(_, -4.88838, 9.77676)"]),
    "clip from above, relu": (
        "q = Clip(v, , m) r = Relu(q) y = QuantizeLinear(r, s, z)",
        ["_ = Clip(_, -, 9.77676)", "_ = Relu(_)"],
    ),
}


@pytest.mark.parametrize("body, golden", FORMS.values(), ids=FORMS.keys())
def test_clips_before_it_are_scaled(body, golden):
    model = build(GIVEN, SUM + body, **WEIGHTS, n=np.float32(-3), m=np.float32(6))
    before = model.clone()
    lines = assert_fires_once(model, FoldScaleIntoQuantize())
    assert [line.replace("r = ", "_ = ").replace("q = ", "_ = ") for line in lines[3:-1]] == golden
    (want,), (got,) = run_ort(before, feeds()), run_ort(model, feeds())
    assert len(np.unique(want)) > 8
    assert np.abs(want.astype(int) - got).max() <= 1 and (want != got).mean() < 1e-3


SKIPS = {
    "scale 1": ("y = QuantizeLinear(v, o, z)", "the scale of QuantizeLinear is 1, not positive or no single number"),
    "per channel": (
        "y = QuantizeLinear(v, c, zc)",
        "the scale of QuantizeLinear is 1, not positive or no single number",
    ),
    "no product": ("a = Abs(v) y = QuantizeLinear(a, s, z)", "what QuantizeLinear reads is no scaled sum of integers"),
    "read by others": (
        "a = Abs(v) q = QuantizeLinear(v, s, z) d = DequantizeLinear(q, s, z) y = Add(a, d)",
        "v has other users",
    ),
    "a computed factor": ("a = Mul(f, f) y = QuantizeLinear(a, s, z)", "a is no scaled sum of integers"),
}


@pytest.mark.parametrize("body, reason", SKIPS.values(), ids=SKIPS.keys())
def test_it_says_why_it_divides(body, reason):
    model = build(GIVEN, SUM + body, **WEIGHTS, o=np.float32(1), zc=np.zeros(24, np.int8))
    assert why(model, FoldScaleIntoQuantize(), "QuantizeLinear") == reason
