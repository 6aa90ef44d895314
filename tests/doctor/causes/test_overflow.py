"""f16 ends at 65504."""

from __future__ import annotations

import pytest

from tests.doctor.planted import CPU, DATA, GPU, WEIGHTS, Surgery, mlp


def test_a_sum_that_leaves_f16_is_named_and_raised_together_with_what_reads_it(surgery: Surgery) -> None:
    model = mlp(w=WEIGHTS["w"] * 1e5, v=WEIGHTS["v"] * 1e-5)
    found = surgery.diagnose(model, DATA, GPU, precision="fp16")
    (finding,) = found.findings
    assert (finding.cause.name, finding.layer, finding.tensor) == ("overflow", "shift", "b")
    assert "first" in finding.replaces and "float16 ends at 65504" in finding.evidence
    assert found.error == float("inf")
    assert found.remedy is not None and found.remedy.is_healed and found.remedy.after < found.limit


def test_a_cpu_that_computes_in_f32_overflows_nowhere(surgery: Surgery) -> None:
    model = mlp(w=WEIGHTS["w"] * 1e5, v=WEIGHTS["v"] * 1e-5)
    assert surgery.diagnose(model, DATA, CPU, precision="fp16").is_healthy


@pytest.mark.parametrize("target", [CPU, GPU])
def test_an_output_that_leaves_f16_needs_another_type_and_no_other_layer(surgery: Surgery, target: str) -> None:
    model = mlp(v=WEIGHTS["v"] * 1e6)
    found = surgery.diagnose(model, DATA, target, output_precision="fp16")
    (finding,) = found.findings
    assert (finding.cause.name, finding.layer, finding.tensor) == ("overflow", "second", "y")
    assert finding.raises == () and "--output-precision fp32" in finding.advice and found.remedy is None
