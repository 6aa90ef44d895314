"""Nearly equal numbers that are subtracted."""

from __future__ import annotations

import numpy as np
import pytest

from tests.doctor.planted import CPU_BF16, DATA, GPU, Surgery, model_of, normal


@pytest.mark.parametrize("target", [CPU_BF16, GPU])
def test_the_difference_is_named_and_raised_with_what_makes_its_terms(surgery: Surgery, target: str) -> None:
    text = """g (float[16,32] x) => (float[16,12] y) {
        [one] a = MatMul(x, w)
        [two] b = MatMul(x, u)
        [minus] d = Sub(a, b)
        [out] y = MatMul(d, v)
    }"""
    w = normal(32, 24, seed=1) + 10
    u = w + normal(32, 24, seed=9, scale=0.02)
    model = model_of(text, w=w, u=u, v=normal(24, 12, seed=2))
    found = surgery.diagnose(model, DATA, target, precision="bf16", remedy=target == CPU_BF16)
    (finding,) = found.findings
    assert (finding.cause.name, finding.layer) == ("cancellation", "minus")
    assert {"minus", "one", "two"} == set(finding.raises)
    if target == CPU_BF16:
        assert found.remedy is not None and found.remedy.is_healed


@pytest.mark.parametrize("target", [CPU_BF16, GPU])
def test_a_norm_of_numbers_that_are_all_near_their_mean_is_one(surgery: Surgery, target: str) -> None:
    text = """g (float[16,32] x) => (float[16,12] y) {
        [one] a = MatMul(x, w)
        [shift] b = Add(a, c)
        [norm] d = LayerNormalization(b, s)
        [out] y = MatMul(d, v)
    }"""
    weights = {"w": normal(32, 24, seed=1), "s": np.ones(24, np.float32), "v": normal(24, 12, seed=2)}
    model = model_of(text, c=np.full(24, 3000, np.float32), **weights)
    found = surgery.diagnose(model, DATA, target, precision="bf16", remedy=False)
    assert [(f.cause.name, f.layer) for f in found.findings] == [("cancellation", "norm")]
