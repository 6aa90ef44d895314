"""A range that is far wider than the data."""

from __future__ import annotations

import pytest

from burnish.precision.ranges import Range
from tests.doctor.planted import CPU, DATA, GPU, Surgery, fitting_ranges, mlp


@pytest.mark.parametrize("target", [CPU, GPU])
def test_the_tensor_whose_codes_are_not_used_is_named(surgery: Surgery, target: str) -> None:
    model = mlp()
    planted = fitting_ranges(model, b=Range(0.0, 1000.0))
    found = surgery.diagnose(model, DATA, target, precision="int8", ranges=planted, remedy=False)
    (finding,) = found.findings
    assert (finding.cause.name, finding.tensor, finding.raises) == ("wide_range", "b", ("second",))
    assert "of 256 codes are used" in finding.evidence


def test_a_few_rare_numbers_that_make_the_range_are_told_from_wrong_samples(surgery: Surgery) -> None:
    model = mlp()
    data = [{"x": DATA[0]["x"].copy()}]
    data[0]["x"][3] *= 300  # one row
    planted = fitting_ranges(model, b=Range(0.0, 1500.0), x=Range(-1000.0, 1000.0))
    found = surgery.diagnose(model, data, CPU, precision="int8", ranges=planted, remedy=False)
    told = {(finding.cause.name, finding.tensor): finding.evidence for finding in found.findings}
    assert "of 256 codes are used" in told["wide_range", "b"], told


@pytest.mark.parametrize(("high", "is_told"), [(100.0, False), (1e7, True)])
def test_float8_loses_nothing_until_numbers_are_smaller_than_its_exponents(
    surgery: Surgery, high: float, is_told: bool
) -> None:
    model = mlp()
    planted = fitting_ranges(model, b=Range(0.0, high))
    found = surgery.diagnose(model, DATA, CPU, precision="fp8", ranges=planted, remedy=False)
    assert [(f.cause.name, f.tensor) for f in found.findings] == ([("wide_range", "b")] if is_told else [])
    assert all(f"full precision from {high / 448 / 64:.4g} on" in finding.evidence for finding in found.findings)
