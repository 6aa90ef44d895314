"""A few channels are so much larger than the rest that the rest has no codes left: one scale serves them all."""

from __future__ import annotations

from typing import Any

import numpy as np

from burnish.doctor.case import Case
from burnish.doctor.causes import channels
from burnish.doctor.finding import Cause, Finding

Array = np.ndarray[Any, Any]
CAUSE = Cause(
    "outlier_channel",
    "an outlier channel eats the scale",
    "One scale serves all channels, and a channel of huge numbers leaves the others a few codes.",
)
TIMES = 8.0  # the usual channel
MOST_SHARE = 0.25  # of the channels: where there are more, the large ones are the usual ones


def find(case: Case) -> Finding | None:
    """Do codes of one scale hold channels of very different size?"""
    out = outliers(case)
    if not len(out):
        return None
    low, high = channels.ends(case.numbers, case.axis)
    size = np.maximum(np.abs(low), np.abs(high))
    usual = float(np.median(np.delete(size, out)))
    assert case.codes is not None and case.codes.scale is not None
    steps = usual / float(case.codes.scale.reshape(-1)[0])
    text = (
        f"{channels.listed(out)} of '{case.tensor}' reach{'' if len(out) > 1 else 'es'} {float(size[out].max()):.4g}; "
        f"the usual channel reaches {usual:.4g}, which is {steps:.1f} codes"
    )
    return case.finding(CAUSE, text, advice="or move the size of that channel into the weights (SmoothQuant)")


def outliers(case: Case) -> Array:
    """The channels that are far larger than the usual one, if the codes have one scale for all."""
    none = np.zeros(0, np.int64)
    if case.codes is None or case.codes.scale is None or case.codes.scale.size != 1 or not case.numbers[0].ndim:
        return none
    low, high = channels.ends(case.numbers, case.axis)
    size = np.maximum(np.abs(low), np.abs(high))
    live = size[size > 0]
    if len(live) < 2:
        return none
    found = np.flatnonzero(size >= TIMES * np.median(live))
    return found if 0 < len(found) <= max(1, MOST_SHARE * len(size)) else none
