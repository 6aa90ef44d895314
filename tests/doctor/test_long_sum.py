"""Small terms that are added to a large sum in bf16."""

from __future__ import annotations

import numpy as np
import pytest

from tests.doctor.planted import CPU_BF16, GPU, Surgery, model_of, normal

LAYERS = 20


@pytest.mark.parametrize("target", [CPU_BF16, pytest.param(GPU, marks=pytest.mark.slow)])
def test_the_sums_that_swallow_their_terms_are_named_and_raised(surgery: Surgery, target: str) -> None:
    lines = "".join(f"[p{i}] d{i} = MatMul(h{i}, w{i}) [s{i}] h{i + 1} = Add(h{i}, d{i}) " for i in range(LAYERS))
    text = f"g (float[8,16] x) => (float[8,16] y) {{ [first] h0 = MatMul(x, w) {lines} [last] y = Relu(h{LAYERS}) }}"
    weights = {f"w{i}": np.full((16, 16), 0.000113, np.float32) for i in range(LAYERS)}
    model = model_of(text, w=normal(16, 16, seed=8) * np.float32(0.01) + np.float32(0.1), **weights)
    data = [{"x": np.abs(normal(8, 16, seed=5)) + 4}]
    found = surgery.diagnose(model, data, target, precision="bf16", remedy=target == CPU_BF16)
    (finding,) = found.findings
    assert (finding.cause.name, finding.layer) == ("long_sum", "s0") and f"s{LAYERS - 1}" in finding.raises
    assert found.error > found.limit
    if target == CPU_BF16:
        assert found.remedy is not None and found.remedy.is_healed
