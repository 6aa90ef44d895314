"""Measure a finished plan once more: does it still meet the budgets that it was built to meet?"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.building import build
from burnish.calibration.gate.budget import parse_budgets
from burnish.calibration.gate.choices import running
from burnish.calibration.gate.evaluation import Evaluation
from burnish.calibration.gate.metrics import Answers
from burnish.calibration.kept import Kept
from burnish.calibration.samples import is_batched, rows_of
from burnish.calibration.verify_quantised import profile_of
from burnish.errors import UserError
from burnish.plan import Plan
from burnish.precision.accuracy import ACCURACY, Accuracy, parse_accuracy_bytes
from burnish.precision.range_text import RANGES, parse_ranges
from burnish.precision.ranges import Ranges

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Rechecked:
    """A budget, what the plan measures now, and whether that is allowed."""

    budget: str
    found: float
    is_met: bool


def accuracy_of(plan: Plan) -> Accuracy | None:
    """What was measured when the plan's layers were chosen; None if no budget was given."""
    if RANGES in plan.blobs:
        return ranges_of(plan).accuracy
    return parse_accuracy_bytes(bytes(plan.blobs[ACCURACY])) if ACCURACY in plan.blobs else None


def ranges_of(plan: Plan) -> Ranges:
    """The ranges that a plan of codes keeps."""
    return parse_ranges(bytes(plan.blobs[RANGES]))


def recheck(
    model: str | os.PathLike[str],
    plan: Plan,
    evaluation: Evaluation,
    max_error: Any = None,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> tuple[Rechecked, ...]:
    """Measure the plan against the model in f32. max_error: other budgets than those that the plan keeps.

    raises: E768 for a plan that keeps none, or one of a function of the user's, which must be named again
    """
    advance = progress or (lambda what, done, total: None)
    kept = accuracy_of(plan)
    if max_error is None and (kept is None or any(".py:" in b.budget or not _is_word(b.budget) for b in kept.budgets)):
        why = "it was built without --max-error" if kept is None else "a plan holds no code of a metric's function"
        raise UserError("E768", "the plan says no budget to check", why=why, hint="give it: --max-error top1=0.5%")
    budgets = parse_budgets(max_error if kept is None or max_error is not None else [b.budget for b in kept.budgets])
    decode, answers = evaluation.decoder(), list[Answers]()
    exact, samples = build(model, profile=profile_of(plan.manifest)), None
    for number, each in enumerate((exact, plan), 1):
        with running(each, threads) as engine:
            if samples is None:
                samples = evaluation.samples(engine.manifest)
                labels = evaluation.read_labels([spec.name for spec in engine.manifest.inputs])
                rows = [rows_of(sample, is_batched(engine.manifest)) for sample in samples]
            outputs = Kept()
            for done, sample in enumerate(samples):
                advance(f"accuracy, pass {number}", done, len(samples))
                outputs.append({name: np.array(array) for name, array in engine(sample).items()})
            answers.append(decode(outputs, rows))
    found = budgets.found(answers[1], answers[0], labels)
    pairs = zip(budgets.each, found, strict=True)
    return tuple(Rechecked(budget.word, value, budget.is_met(value)) for budget, value in pairs)


def _is_word(budget: str) -> bool:
    """Can it be read again? A function that Python was given cannot."""
    try:
        parse_budgets(budget)
    except UserError:
        return False
    return True
