"""Biases and weights that a quantiser has lost."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.doctor.planted import CPU, DATA, GPU, WEIGHTS, Surgery, model_of, quantised

TEXT = """g (float[16,32] x) => (float[16,24] y) {
    [product] y = Gemm(x, w, c)
}"""
QUANTISED = """g (float[16,32] x) => (float[16,24] y) {
    [q] xq = QuantizeLinear(x, xs, xz)
    [dq] xd = DequantizeLinear(xq, xs, xz)
    [dw] wd = DequantizeLinear<axis = 1>(wq, ws)
    [dc] cd = DequantizeLinear<axis = 0>(cq, cs)
    [product] y = Gemm(xd, wd, cd)
}"""
CHANNEL, HUGE = 6, 40.0


def exact() -> tuple[onnx.ModelProto, np.ndarray, np.ndarray]:
    """A product with a channel of tiny weights and a huge bias."""
    w, c = WEIGHTS["w"].copy(), WEIGHTS["c"].copy()
    w[:, CHANNEL] *= 1e-6
    c[CHANNEL] = HUGE
    return model_of(TEXT, w=w, c=c), w, c


def stored(w: np.ndarray, c: np.ndarray, raised: bool) -> onnx.ModelProto:
    """As a tool writes it: the bias cut at 2^31, or the scale raised until it fits."""
    xs = np.float32(np.abs(DATA[0]["x"]).max() / 127 * 1.2)
    ws = (np.abs(w).max(0) / 127).astype(np.float32)
    if raised:
        ws = np.maximum(ws, (np.abs(c) / (xs * 2.0**31 * 0.9)).astype(np.float32)).astype(np.float32)
    cs = (xs * ws).astype(np.float32)
    codes = np.clip(np.rint(c / cs.astype(np.float64)), -(2**31), 2**31 - 1).astype(np.int32)
    arrays = {"xs": xs, "xz": np.int8(0), "wq": quantised(w, ws, 1), "ws": ws, "cq": codes, "cs": cs}
    return model_of(QUANTISED, **{name: np.asarray(array) for name, array in arrays.items()})


@pytest.mark.parametrize("target", [CPU, GPU])
@pytest.mark.parametrize("with_reference", [False, True])
def test_a_bias_that_does_not_fit_is_named(surgery: Surgery, target: str, with_reference: bool) -> None:
    f32, w, c = exact()
    found = surgery.diagnose(stored(w, c, False), DATA, target, reference=f32 if with_reference else None)
    finding = found.findings[0]
    assert (finding.cause.name, finding.layer) == ("bias_overflow", "product")
    assert f"channel {CHANNEL}" in finding.evidence and "--int8 --calib" in finding.advice
    assert found.error > 0.1 if with_reference else found.error < found.limit
    assert ("in f32 it is 40" in finding.evidence) == with_reference


@pytest.mark.parametrize("target", [CPU, GPU])
def test_weights_that_became_nothing_for_the_bias_are_named(surgery: Surgery, target: str) -> None:
    f32, w, c = exact()
    w[:, CHANNEL] *= 1e-2
    found = surgery.diagnose(stored(w, c, True), DATA, target, reference=f32)
    finding = found.findings[0]
    assert (finding.cause.name, finding.layer) == ("raised_weight_scale", "product")
    assert f"channel {CHANNEL}" in finding.evidence


def test_biases_that_fit_are_no_fault(surgery: Surgery) -> None:
    model = stored(WEIGHTS["w"], WEIGHTS["c"], False)
    found = surgery.diagnose(model, DATA, CPU, reference=model_of(TEXT, w=WEIGHTS["w"], c=WEIGHTS["c"]))
    assert found.is_healthy and found.error > 0
