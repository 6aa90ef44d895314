"""A finished plan is measured once more, by the budgets that it keeps or by others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import burnish
from burnish.calibration import Evaluation, accuracy_of, build_within, calibrate, ranges_of, recheck
from burnish.errors import UserError
from burnish.plan import Plan

MODEL = Path(__file__).parents[3] / "examples" / "digits.onnx"
SAMPLES = MODEL.with_name("digits_samples.npz")


@pytest.fixture(scope="module")
def plan() -> Plan:
    return build_within(MODEL, "top1=5%,cos=0.5", Evaluation(SAMPLES), ranges=calibrate(MODEL, SAMPLES), threads=1)


def test_a_plan_keeps_what_was_measured_and_measures_the_same_again(plan: Plan) -> None:
    measured = accuracy_of(plan)
    again = recheck(MODEL, plan, Evaluation(SAMPLES), threads=1)
    assert measured is not None and measured == ranges_of(plan).accuracy
    assert [(row.budget, row.found) for row in again] == [(b.budget, b.found) for b in measured.budgets]
    assert all(row.is_met for row in again)


def test_labels_that_the_plan_gets_wrong_miss_the_budget(plan: Plan) -> None:
    with burnish.load(burnish.build(MODEL)) as engine:
        right = [int(engine({"image": i.reshape(1, 1, 8, 8)})["logits"].argmax()) for i in np.load(SAMPLES)["images"]]
    worse, _ = recheck(MODEL, plan, Evaluation(SAMPLES, right), threads=1)
    assert worse.found >= 0 and worse.is_met
    (odd,) = recheck(MODEL, plan, Evaluation(SAMPLES), "cos=1e-12", threads=1)
    assert not odd.is_met and odd.budget == "cos=1e-12"


def test_a_plan_that_keeps_no_budget_needs_one() -> None:
    ranges = calibrate(MODEL, SAMPLES)
    plain = burnish.build(MODEL, precision="int8", ranges=ranges)
    assert accuracy_of(plain) is None and accuracy_of(burnish.build(MODEL)) is None
    with pytest.raises(UserError, match="without --max-error") as caught:
        recheck(MODEL, plain, Evaluation(SAMPLES))
    assert caught.value.code == "E768"
    assert recheck(MODEL, plain, Evaluation(SAMPLES), "cos=0.5", threads=1)[0].is_met


def test_no_code_that_a_plan_names_is_run(tmp_path: Path) -> None:
    file, mark = tmp_path / "m.py", tmp_path / "mark"
    file.write_text("def error(ours, exact, labels): return 0.0")
    plan = build_within(MODEL, f"{file}:error=1", Evaluation(SAMPLES), ranges=calibrate(MODEL, SAMPLES), threads=1)
    file.write_text(f"open({str(mark)!r}, 'w')")
    with pytest.raises(UserError, match="holds no code") as caught:
        recheck(MODEL, plan, Evaluation(SAMPLES))
    assert caught.value.code == "E768" and not mark.exists()
