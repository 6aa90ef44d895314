"""What the doctor says, for programs."""

from __future__ import annotations

import json

from burnish.doctor.finding import Cause, Diagnosis, Finding, Remedy, Row

CAUSE = Cause("overflow", "overflow of a narrow float", "It ends.")
FINDING = Finding(CAUSE, "layer", "tensor", "it reaches 1e9", 0.5, ("layer",))
REMEDY = Remedy(({"nodes": ["layer"], "precision": "fp32"},), 0.5, 0.001, 2.0, 2.5, True)
ROW = Row("tensor", ("layer",), "f16", 0.5, 0.4, 0.004)


def diagnosis(*findings: Finding, error: float = 0.5, remedy: Remedy | None = REMEDY) -> Diagnosis:
    """One of a plan in f16."""
    return Diagnosis("net", "fp16", "cpu", 3, error, 0.005, {"y": error}, findings, (ROW,), None, remedy)


def test_a_diagnosis_is_one_json_document() -> None:
    found = json.loads(json.dumps(diagnosis(FINDING).as_dict()))
    assert found["healthy"] is False and found["findings"][0]["cause"] == "overflow"
    assert found["findings"][0]["layer"] == "layer" and found["findings"][0]["why"] == "It ends."
    assert found["remedy"]["cost"] == 0.25 and found["boundaries"][0]["tensor"] == "tensor"


def test_a_plan_is_healthy_if_nothing_was_found_and_it_is_near() -> None:
    assert diagnosis(error=0.004, remedy=None).is_healthy
    assert not diagnosis(error=0.006, remedy=None).is_healthy and not diagnosis(FINDING, error=0).is_healthy
    assert diagnosis(remedy=None).as_dict()["remedy"] is None
