"""A mask: a few numbers like -1e9 that mean "never", among ordinary ones.

In codes they take the whole scale. In f16, where numbers end at 65504, they become -inf, and a row of nothing else is
NaN after a softmax; in both, what is added to them is lost.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from burnish.doctor.case import Case
from burnish.doctor.finding import Cause, Finding

CAUSE = Cause(
    "huge_mask",
    "a huge mask in low precision",
    'Numbers like -1e9 that only mean "never" take the whole range, or leave it.',
)
HUGE = 9e3  # a mask's number is at least this far below zero: -10000 is one that tools write for f16
TIMES = 1e3  # and this many times the rest
Array = np.ndarray[Any, Any]


def find(case: Case) -> Finding | None:
    """Is there a mask in what the boundary holds, or in what was read for it?"""
    made = case.observed.made
    own = _mask(case.numbers)
    if own is not None and (case.codes is not None or made.bad):
        return case.finding(CAUSE, _text(own, case.dtype, case.tensor), case.maker_of(case.tensor))
    if case.codes is not None or not made.bad:
        return None
    for name in case.exact:
        if (found := _mask(case.exact[name])) is not None and abs(found[0]) > _end(case.dtype):
            return case.finding(CAUSE, _text(found, case.dtype, name), case.maker_of(name))
    return None


def _mask(arrays: list[Array]) -> tuple[float, float, int] | None:
    """The number that masks, the largest of the rest, and how many are masked."""
    numbers = np.concatenate([a.ravel() for a in arrays])
    lowest = float(numbers.min(initial=0.0))
    if not lowest <= -HUGE:
        return None
    masked = numbers <= lowest / 2 if np.isfinite(lowest) else np.isneginf(numbers)
    rest = np.abs(numbers[~masked & np.isfinite(numbers)])
    largest = float(rest.max(initial=0.0))
    if not rest.size or -lowest < TIMES * max(largest, 1.0):
        return None
    return lowest, largest, int(np.count_nonzero(masked))


def _text(found: tuple[float, float, int], dtype: np.dtype[Any], name: str) -> str:
    lowest, largest, count = found
    return f"{count} numbers of '{name}' are about {lowest:.3g}; the others stay below {largest:.3g}; kept as {dtype}"


def _end(dtype: np.dtype[Any]) -> float:
    return float(ml_dtypes.finfo(dtype).max) if dtype.kind in "fV" else 0.0
