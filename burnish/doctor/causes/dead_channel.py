"""A channel that is constant: in the model, where it takes the scale from the others; or in the plan alone.

A constant channel says nothing, however large it is. One that is constant in the plan alone was rounded away.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from burnish.doctor.case import Case
from burnish.doctor.causes import channels
from burnish.doctor.causes.outlier_channel import outliers
from burnish.doctor.finding import Cause, Finding

CAUSE = Cause(
    "dead_channel",
    "a dead channel",
    "A channel whose numbers are all the same carries nothing, and may still take the scale from the others.",
)
Array = np.ndarray[Any, Any]
SAME = 1e-6  # of a channel's size, by which numbers that are all the same may differ
LEAST_SHARE = 0.05  # of the usual channel's spread that a channel must have had, to be missed


def find(case: Case) -> Finding | None:
    """Are the channels that stand out, and make the scale, constant?"""
    out = outliers(case)
    if not len(out) or channels.count_places(case.numbers, case.axis) < 2:
        return None
    low, high = channels.ends(case.numbers, case.axis)
    size = np.maximum(np.abs(low), np.abs(high))
    if (high[out] - low[out] > SAME * size[out]).any():
        return None
    rest = float(np.delete(size, out).max(initial=0.0))
    text = f"{channels.listed(out)} of '{case.tensor}' {_is(out)} always {low[out[0]]:.4g}; "
    text += f"the others stay below {rest:.4g}, and share that scale"
    return case.finding(CAUSE, text, advice="or fold the constant into the bias of what reads it: that costs no time")


def find_lost(case: Case) -> Finding | None:
    """Is a channel constant in the plan that is not in f32?"""
    if not case.numbers[0].ndim or channels.count_places(case.numbers, case.axis) < 2:
        return None
    low, high = channels.ends(case.numbers, case.axis)
    spread = high - low
    made_low, made_high = channels.ends(case.made, case.axis)
    usual = float(np.median(spread[spread > 0])) if (spread > 0).any() else 0.0
    lost = np.flatnonzero((made_high == made_low) & (spread > LEAST_SHARE * usual) & (spread > 0))
    if not len(lost) or 2 * len(lost) > len(spread):
        return None
    text = f"{channels.listed(lost)} of '{case.tensor}' {_is(lost)} constant in the plan; "
    text += f"in f32 from {low[lost[0]]:.4g} to {high[lost[0]]:.4g}"
    return case.finding(CAUSE, text)


def _is(found: Array) -> str:
    return "are" if len(found) > 1 else "is"
