"""One channel that is far larger than the others."""

from __future__ import annotations

import pytest

from tests.doctor.planted import CPU, DATA, GPU, WEIGHTS, Surgery, fitting_ranges, mlp


@pytest.mark.parametrize("target", [CPU, GPU])
def test_the_channel_that_eats_the_scale_is_named(surgery: Surgery, target: str) -> None:
    w, v = WEIGHTS["w"].copy(), WEIGHTS["v"].copy()
    w[:, 5] *= 300
    v[5] /= 300
    model = mlp(w=w, v=v)
    found = surgery.diagnose(model, DATA, target, precision="int8", ranges=fitting_ranges(model), remedy=target == CPU)
    (finding,) = found.findings
    assert (finding.cause.name, finding.tensor, finding.raises) == ("outlier_channel", "b", ("second",))
    assert "channel 5 of 'b'" in finding.evidence
    if target == CPU:
        assert found.remedy is not None and found.remedy.is_healed
