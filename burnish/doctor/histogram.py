"""Histograms of one boundary's numbers: the f32 model's, and what the plan's launch makes."""

from __future__ import annotations

from typing import Any

import numpy as np

from burnish.doctor.case import Case
from burnish.doctor.finding import Picture

Array = np.ndarray[Any, Any]
BINS = 80


def picture_of(case: Case) -> Picture | None:
    """None if no number is finite."""
    exact, made = (_finite(arrays) for arrays in (case.numbers, case.made))
    if not exact.size or not made.size:
        return None
    low, high = float(min(exact.min(), made.min())), float(max(exact.max(), made.max()))
    ends: tuple[float, float] | None = None
    if case.codes is not None:
        first, last = case.codes.range(case.numbers[0].ndim)
        ends = float(first.min()), float(last.max())
        if ends[1] - ends[0] < 4 * (high - low):
            low, high = min(low, ends[0]), max(high, ends[1])
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    own, plan = (tuple(int(n) for n in np.histogram(a, edges)[0]) for a in (exact, made))
    return Picture(case.tensor, tuple(map(float, edges)), own, plan, *(ends or (None, None)))


def _finite(arrays: list[Array]) -> Array:
    found = [a[np.isfinite(a)].ravel() for a in arrays]
    return np.concatenate(found).astype(np.float64) if found else np.zeros(0)
