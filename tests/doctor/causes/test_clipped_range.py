"""A range that ends before the data does."""

from __future__ import annotations

import pytest

from burnish.precision.ranges import Range
from tests.doctor.planted import CPU, DATA, GPU, Surgery, fitting_ranges, mlp


@pytest.mark.parametrize("target", [CPU, GPU])
def test_the_tensor_that_is_cut_is_named_and_what_reads_it_leaves_int8(surgery: Surgery, target: str) -> None:
    model = mlp()
    planted = fitting_ranges(model, b=Range(0.0, 0.3))
    found = surgery.diagnose(model, DATA, target, precision="int8", ranges=planted)
    (finding,) = found.findings
    assert (finding.cause.name, finding.tensor, finding.layer) == ("clipped_range", "b", "shift")
    assert "first" in finding.replaces and finding.raises == ("second",) and "minmax" in finding.advice
    assert "its range is 0 to 0.3" in finding.evidence
    assert found.error > found.limit
    assert found.remedy is not None and found.remedy.is_healed and found.remedy.after < found.limit / 4
    assert found.remedy.layers == ({"nodes": ["second"], "precision": "fp32"},)


def test_ranges_that_fit_are_no_fault(surgery: Surgery) -> None:
    model = mlp()
    found = surgery.diagnose(model, DATA, CPU, precision="int8", ranges=fitting_ranges(model))
    assert found.is_healthy and not found.findings and found.remedy is None
    assert 0 < found.error < found.limit
