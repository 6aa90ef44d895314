"""Angles that grow with the position."""

from __future__ import annotations

import numpy as np
import pytest

from tests.doctor.planted import CPU_BF16, GPU, Surgery, model_of, normal

TEXT = """g (float[64,1] p) => (float[64,8] y) {
    [angle] a = MatMul(p, f)
    [cosine] b = Cos(a)
    [out] y = MatMul(b, v)
}"""
FREQUENCIES = (1.0 / 10000 ** (np.arange(8) / 8)).astype(np.float32)[None]


@pytest.mark.parametrize("target", [CPU_BF16, GPU])
def test_what_computes_the_angle_is_named_and_raised(surgery: Surgery, target: str) -> None:
    model = model_of(TEXT, f=FREQUENCIES, v=normal(8, 8, seed=2))
    data = [{"p": np.arange(1, 64 * 40, 40, dtype=np.float32)[:, None]}]
    found = surgery.diagnose(model, data, target, precision="bf16", remedy=target == CPU_BF16)
    (finding,) = found.findings
    assert (finding.cause.name, finding.layer) == ("large_positions", "angle") and "angle" in finding.raises
    if target == CPU_BF16:
        assert found.remedy is not None and found.remedy.is_healed


def test_small_positions_are_no_fault(surgery: Surgery) -> None:
    model = model_of(TEXT, f=FREQUENCIES, v=normal(8, 8, seed=2))
    data = [{"p": np.linspace(0, 1, 64, dtype=np.float32)[:, None]}]
    assert surgery.diagnose(model, data, CPU_BF16, precision="bf16").is_healthy
