"""A mask of -1e9 among ordinary numbers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.doctor.planted import CPU, GPU, Surgery, model_of, normal

X, KEYS, VALUES = normal(8, 16, seed=1), normal(16, 8, seed=2, scale=0.3), normal(8, 6, seed=3)
BIAS = np.where(np.arange(8) < 6, 0, -1e9).astype(np.float32)[None]


def quantised_model() -> onnx.ModelProto:
    """Attention whose masked scores some tool keeps as codes."""
    text = """g (float[8,16] x) => (float[8,6] y) {
        [scores] s = MatMul(x, k)
        [masking] m = Add(s, bias)
        [q] mq = QuantizeLinear(m, ms, mz)
        [dq] md = DequantizeLinear(mq, ms, mz)
        [softmax] p = Softmax(md)
        [out] y = MatMul(p, v)
    }"""
    scale = {"ms": np.array(1e9 / 127, np.float32), "mz": np.array(0, np.int8)}
    return model_of(text, k=KEYS, v=VALUES, bias=BIAS, **scale)


@pytest.mark.parametrize("target", [CPU, GPU])
def test_a_mask_in_codes_is_named_and_its_reader_takes_numbers(surgery: Surgery, target: str) -> None:
    found = surgery.diagnose(quantised_model(), [{"x": X}], target, remedy=target == CPU)
    (finding,) = found.findings
    assert (finding.cause.name, finding.tensor) == ("huge_mask", "m") and "-1e+09" in finding.evidence
    assert finding.raises == ("softmax",)
    if target == CPU:
        assert found.remedy is not None and found.remedy.is_healed


@pytest.mark.parametrize("target", [CPU, GPU])
def test_a_mask_that_became_infinite_in_f16_is_named_beside_the_f32_model(surgery: Surgery, target: str) -> None:
    text = """g (TYPE[8,16] x) => (TYPE[8,6] y) {
        [scores] s = MatMul(x, k)
        [masking] m = Add(s, bias)
        [softmax] p = Softmax(m)
        [out] y = MatMul(p, v)
    }"""
    bias = np.zeros((8, 8), np.float32)
    bias[:, 6:], bias[7] = -1e9, -1e9  # the last query sees nothing
    exact = model_of(text.replace("TYPE", "float"), k=KEYS, v=VALUES, bias=bias)
    with np.errstate(over="ignore"):
        halves = {n: a.astype(np.float16) for n, a in {"k": KEYS, "v": VALUES, "bias": bias}.items()}
    model = model_of(text.replace("TYPE", "float16"), **halves)
    found = surgery.diagnose(model, [{"x": X.astype(np.float16)}], target, reference=exact, remedy=False)
    assert [f.cause.name for f in found.findings] == ["huge_mask"]
    assert "-1e+09" in found.findings[0].evidence and found.findings[0].layer in ("masking", "softmax")
