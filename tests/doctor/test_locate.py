"""Where error enters; healthy networks, in which nothing may be found."""

from __future__ import annotations

import pytest

import burnish
from burnish.doctor import diagnose
from burnish.precision.ranges import Range
from tests.doctor.planted import CPU, CPU_BF16, DATA, Surgery, fitting_ranges, mlp
from tests.end_to_end.architectures import SMALL


def test_two_faults_are_two_findings_in_the_plans_order(surgery: Surgery) -> None:
    model = mlp()
    ranges = fitting_ranges(model, x=Range(-0.2, 0.2), b=Range(0.0, 1000.0))
    found = surgery.diagnose(model, DATA, CPU, precision="int8", ranges=ranges)
    assert [(f.cause.name, f.tensor) for f in found.findings] == [("clipped_range", "x"), ("wide_range", "b")]
    assert found.remedy is not None and found.remedy.is_healed
    names = [name for rule in found.remedy.layers for name in rule["nodes"]]
    assert sorted(names) == ["second", "shift"]


def test_what_only_hands_error_on_is_not_blamed(surgery: Surgery) -> None:
    model = mlp()
    found = surgery.diagnose(model, DATA, CPU, precision="int8", ranges=fitting_ranges(model, x=Range(-0.05, 0.05)))
    assert [f.tensor for f in found.findings] == ["x"]
    x, b, y = found.rows
    assert y.whole > y.limit > y.made and not y.is_blameless
    assert b.made > b.limit and b.is_blameless and not x.is_blameless  # it had no exact x


@pytest.mark.slow
@pytest.mark.parametrize("name", ["resnet", "mobilenet_v2", "bert", "vit"])
@pytest.mark.parametrize(("target", "precision"), [(CPU, "int8"), (CPU_BF16, "bf16"), (CPU, "fp16"), (CPU, "fp32")])
def test_nothing_is_found_in_a_healthy_network(name: str, target: str, precision: str) -> None:
    architecture = SMALL[name]
    model, data = architecture.make(), [architecture.feeds(1, seed=n) for n in range(3)]
    shapes = {key: array.shape for key, array in data[0].items()}
    ranges = burnish.calibrate(model, data, shapes=shapes, method="minmax") if precision == "int8" else None
    plan = burnish.build(model, target=target, precision=precision, ranges=ranges, shapes=shapes)
    found = diagnose(model, plan, data, threads=1)
    assert found.is_healthy, found.findings
    assert found.error < found.limit / 2
