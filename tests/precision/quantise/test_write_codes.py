"""Codes are written by ranges, and taken away where a rule wants numbers."""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest

import burnish
from burnish.precision.quantise.write_codes import is_one_code
from burnish.precision.ranges import Range, Ranges
from tests.doctor.planted import model_of, normal, quantised

TEXT = """g (float[8,16] x) => (float[8,4] y) {
    [q] xq = QuantizeLinear(x, xs, xz) [dq] xd = DequantizeLinear(xq, xs, xz)
    [dw] wd = DequantizeLinear<axis = 1>(wq, ws)
    [first] a = MatMul(xd, wd)
    [qa] aq = QuantizeLinear(a, as, az) [dqa] ad = DequantizeLinear(aq, as, az)
    [second] y = MatMul(ad, v)
}"""
WRONG = np.array(1000, np.float32)  # a scale that leaves nothing of a


def model() -> onnx.ModelProto:
    w = normal(16, 12, seed=1)
    ws = (np.abs(w).max(0) / 127).astype(np.float32)
    codes = {"xs": np.array(0.03, np.float32), "xz": np.array(0, np.int8), "az": np.array(0, np.int8)}
    return model_of(TEXT, wq=quantised(w, ws, 1), ws=ws, v=normal(12, 4, seed=2), **codes, **{"as": WRONG})


@pytest.mark.parametrize("nodes", [["second"], ["s*"]])
def test_a_rule_for_numbers_takes_the_codes_of_a_quantised_model_away_there_alone(nodes: list[str]) -> None:
    x = normal(8, 16, seed=3)
    rules = {"layers": [{"nodes": nodes, "precision": "fp32"}]}
    with burnish.load(burnish.build(model(), precision_config=rules), threads=1) as engine:
        found = engine(x=x)["y"]
    bypassed = model()
    next(n for n in bypassed.graph.node if n.name == "second").input[0] = "a"
    want = onnxruntime.InferenceSession(bypassed.SerializeToString()).run(None, {"x": x})[0]
    np.testing.assert_allclose(found, want, rtol=1e-4, atol=1e-4)


def test_without_a_rule_codes_stay_as_the_model_has_them() -> None:
    with burnish.load(burnish.build(model()), threads=1) as engine:
        assert not engine(x=normal(8, 16, seed=3))["y"].any()


def test_a_rule_for_int8_takes_nothing_away() -> None:
    rules = {"layers": [{"nodes": ["second"], "precision": "int8"}]}
    plan = burnish.build(model(), precision="int8", ranges=Ranges({"none": Range(0, 1)}), precision_config=rules)
    with burnish.load(plan, threads=1) as engine:
        assert not engine(x=normal(8, 16, seed=3))["y"].any()


@pytest.mark.parametrize(
    ("scale", "zero", "axis", "is_one"),
    [
        (np.full(3, 0.5, np.float32), np.full(3, 7, np.uint8), 1, True),
        (np.float32(0.5), np.uint8(7), 1, True),
        (np.full(4, 0.5, np.float32), np.full(4, 7, np.uint8), 2, False),
    ],
    ids=["the same", "one for all channels", "along another axis"],
)
def test_codes_are_one_if_each_channel_is_read_as_it_was_written(
    scale: np.ndarray, zero: np.ndarray, axis: int, is_one: bool
) -> None:
    text = f"""g (float[2,3,4] x) => (float[2,3,4] y) {{
        q = QuantizeLinear<axis = 1>(x, s, z)   y = DequantizeLinear<axis = {axis}>(q, t, u)
    }}"""
    written = {"s": np.full(3, 0.5, np.float32), "z": np.full(3, 7, np.uint8)}
    there, back = ir.from_proto(model_of(text, **written, t=scale, u=zero)).graph
    assert is_one_code(there, back) is is_one
