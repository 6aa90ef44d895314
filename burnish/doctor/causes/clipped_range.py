"""The range that was chosen ends before the data does: what lies outside becomes its end."""

from __future__ import annotations

import numpy as np

from burnish.doctor.case import Case
from burnish.doctor.causes import channels
from burnish.doctor.finding import Cause, Finding

CAUSE = Cause(
    "clipped_range",
    "a range that clips",
    "The numbers go further than the range that was chosen from the samples, and are cut at its end.",
)
LEAST_SHARE = 0.5  # of the squared error that comes from what is cut


def find(case: Case) -> Finding | None:
    """Is most of the error that of numbers outside the range?"""
    if case.codes is None:
        return None
    cut = squares = 0.0
    outside = count = 0
    for exact in case.numbers:
        low, high = case.codes.range(exact.ndim)
        lost = np.where(np.isfinite(exact), exact - np.clip(exact, low, high), 0.0).astype(np.float64)
        kept = case.codes.decode(case.codes.encode(exact, case.codes.dtype))
        cut += float((lost**2).sum())
        squares += float(np.where(np.isfinite(exact), exact.astype(np.float64) - kept, 0.0).__pow__(2).sum())
        outside, count = outside + int(np.count_nonzero(lost)), count + exact.size
    if not squares or cut < LEAST_SHARE * squares:
        return None
    first, last = (float(np.max(end)) for end in case.codes.range(case.numbers[0].ndim))
    least, most = channels.ends(case.numbers, case.axis)
    text = (
        f"'{case.tensor}' goes from {least.min():.4g} to {most.max():.4g}; its range is {first:.4g} to {last:.4g}: "
        f"{outside / count:.2%} of the numbers are cut, {cut / squares:.0%} of the squared error"
    )
    advice = "or calibrate again with samples like these (--calib-method minmax keeps all of them): that costs no time"
    return case.finding(CAUSE, text, advice=advice)
