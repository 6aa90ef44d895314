"""A channel that is constant: in the model, or in the plan alone."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.precision.ranges import Range, Ranges
from tests.doctor.planted import CPU, DATA, GPU, WEIGHTS, Surgery, fitting_ranges, mlp, model_of, normal


@pytest.mark.parametrize("target", [CPU, GPU])
def test_a_constant_channel_that_makes_the_scale_is_told_from_an_outlier(surgery: Surgery, target: str) -> None:
    w, c, v = (WEIGHTS[name].copy() for name in "wcv")
    w[:, 3], c[3] = 0, 500
    v[3] *= 1e-3
    model = mlp(w=w, c=c, v=v)
    found = surgery.diagnose(model, DATA, target, precision="int8", ranges=fitting_ranges(model), remedy=target == CPU)
    (finding,) = found.findings
    assert (finding.cause.name, finding.layer, finding.tensor) == ("dead_channel", "shift", "b")
    assert "channel 3 of 'b' is always 500" in finding.evidence
    if target == CPU:
        assert found.remedy is not None and found.remedy.is_healed


def test_a_constant_channel_below_zero_is_no_mask(surgery: Surgery) -> None:
    w, c, v = (WEIGHTS[name].copy() for name in "wcv")
    w[:, 3], c[3] = 0, -5000
    v[3] *= 1e-4
    text = """g (float[16,32] x) => (float[16,12] y) { [first] b = Gemm(x, w, c) [second] y = MatMul(b, v) }"""
    ranges = Ranges({"x": Range(-5.0, 5.0), "b": Range(-5000.0, 5.0)})
    model = model_of(text, w=w, c=c, v=v)
    found = surgery.diagnose(model, DATA, CPU, precision="int8", ranges=ranges, remedy=False)
    assert [(f.cause.name, f.tensor) for f in found.findings] == [("dead_channel", "b")]


@pytest.mark.parametrize("target", [CPU, GPU])
def test_a_channel_whose_weights_vanish_in_f16_is_named(surgery: Surgery, target: str) -> None:
    w = normal(32, 24, seed=1, scale=0.2)
    w[:, 7] *= 1e-8
    scale = np.ones(24, np.float32)
    scale[7] = 1e8  # the channel matters as much as any other
    text = """g (float[16,32] x) => (float[16,12] y) {
        [first] a = MatMul(x, w)
        [act] b = Tanh(a)
        [rescale] d = Mul(b, s)
        [second] y = MatMul(d, v)
    }"""
    model = model_of(text, w=w, s=scale, v=WEIGHTS["v"])
    found = surgery.diagnose(model, DATA, target, precision="fp16", remedy=False)
    assert [f.cause.name for f in found.findings] == ["dead_channel"]
    assert "channel 7" in found.findings[0].evidence and "constant in the plan" in found.findings[0].evidence
