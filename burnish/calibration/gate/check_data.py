"""Before the long work: NaN or Inf in the data and in what f32 makes of it; metrics that say nothing of f32 itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from burnish.calibration.gate.budget import Budget, Budgets
from burnish.calibration.gate.metrics import Answers, measure_of
from burnish.errors import BurnishError, UserError

Array = np.ndarray[Any, Any]


def notes_of(samples: Iterable[Mapping[str, Any]], exact: Answers) -> tuple[str, ...]:
    """What is no finite number in the samples, and in what f32 makes of them."""
    rows = exact.rows or [1] * len(exact.outputs)
    found = []
    for what, runs in (("input", samples), ("output, in f32,", exact.outputs)):
        odd = list(_odd(runs, rows))
        if odd:
            place, name = odd[0]
            word = "holds" if len(odd) == 1 else "hold"
            first = f"sample {place}, counted from 0" + (", is the first" if len(odd) > 1 else "")
            found.append(f"{len(odd)} of {sum(rows)} samples {word} NaN or Inf in an {what} such as '{name}': {first}")
    return tuple(found)


def _odd(runs: Iterable[Mapping[str, Any]], rows: Sequence[int]) -> Iterable[tuple[int, str]]:
    """The samples with numbers that are not finite, and the first array of each that has them."""
    start = 0
    for run, count in zip(runs, rows, strict=True):
        found: dict[int, str] = {}
        for name, array in run.items():
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "fV" or np.isfinite(array).all():
                continue
            is_apart = count > 1 and array.shape[:1] == (count,)
            bad = ~np.isfinite(array.reshape(count, -1)).all(1) if is_apart else np.array([True])
            for row in np.flatnonzero(bad).tolist():
                found.setdefault(start + row, name)
        yield from sorted(found.items())
        start += count


def check_metrics(budgets: Budgets, exact: Answers, labels: Any, notes: Sequence[str]) -> tuple[float, ...]:
    """What each metric says of f32 itself.

    raises: E764 for one that says nothing, E767 for such a function of the user's; E727, E764 and E767 as the metric
    """
    found = budgets.found(exact, exact, labels)
    for budget, value in zip(budgets.each, found, strict=True):
        if math.isinf(value) and not budget.is_met(value):
            raise _says_nothing(budget, exact, labels, notes)
    return found


def _says_nothing(budget: Budget, exact: Answers, labels: Any, notes: Sequence[str]) -> UserError:
    if measure_of(budget.name) is not None:
        what = f"{budget.name} cannot be measured on these outputs: f32 beside itself gives no number"
        return UserError("E764", what, why="\n         ".join(notes), hint="look at the data and at the model")
    what = f"the metric {budget.name} gives no finite number for f32 beside itself"
    place = _first_alone(budget, exact, labels)
    why = "no sample alone does that" if place is None else f"so does sample {place} alone, counted from 0"
    hint = "it gets (outputs, those in f32, labels) and returns a number, 0 or little where both are equal"
    return UserError("E767", what, why="\n         ".join([why, *notes]), hint=hint)


def _first_alone(budget: Budget, exact: Answers, labels: Any) -> int | None:
    """The first sample of the first run for which the metric gives no finite number, either."""
    rows = exact.rows or [1] * len(exact.outputs)
    has_rows, start = labels is not None and len(labels) == sum(rows), 0
    for outputs, count in zip(exact.outputs, rows, strict=True):
        one = Answers([outputs], rows=[count])
        try:
            value = budget.found(one, one, labels[start : start + count] if has_rows else labels)
        except BurnishError:  # it takes no sample alone
            return None
        if math.isinf(value):
            return start
        start += count
    return None
