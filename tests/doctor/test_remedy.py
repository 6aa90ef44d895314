"""The smallest change that mends a plan."""

from __future__ import annotations

import burnish
from burnish.doctor.finding import Finding
from burnish.doctor.remedy import find_remedy
from burnish.precision.ranges import Range
from tests.doctor.planted import CPU, DATA, Surgery, fitting_ranges, mlp
from tests.doctor.test_finding import CAUSE


def test_the_build_with_the_rules_is_as_near_as_the_remedy_says(surgery: Surgery) -> None:
    model = mlp()
    ranges = fitting_ranges(model, b=Range(0.0, 0.3))
    found = surgery.diagnose(model, DATA, CPU, precision="int8", ranges=ranges)
    assert found.remedy is not None
    config = {"layers": list(found.remedy.layers)}
    plan = burnish.build(model, precision="int8", ranges=ranges, precision_config=config)
    again = surgery.diagnose(model, DATA, CPU, plan=plan)
    assert again.is_healthy and again.error == found.remedy.after and again.layers == found.remedy.layers
    assert found.remedy.before_ms > 0 and found.remedy.after_ms > 0


def test_a_change_that_the_answer_does_not_need_is_left_out(surgery: Surgery) -> None:
    model = mlp()
    ranges = fitting_ranges(model, x=Range(-2.4, 2.4), b=Range(0.0, 0.3))  # x is cut a little, b much
    found = surgery.diagnose(model, DATA, CPU, precision="int8", ranges=ranges)
    assert found.remedy is not None and found.remedy.is_healed
    assert [name for rule in found.remedy.layers for name in rule["nodes"]] == ["second"]


def test_nothing_is_built_where_no_layer_can_be_raised() -> None:
    located = type("Located", (), {"findings": (Finding(CAUSE, "a", "b", "", 1.0),)})()
    assert find_remedy(located, None, None, None, None, [], None) is None  # type: ignore[arg-type]
