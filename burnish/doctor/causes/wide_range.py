"""A range that is far wider than the data: most codes are never used, and the steps are coarse for what there is."""

from __future__ import annotations

from typing import Any

import numpy as np

from burnish.doctor.case import Case
from burnish.doctor.finding import Cause, Finding
from burnish.precision.codes import FLOAT8

CAUSE = Cause(
    "wide_range",
    "a range that is much too wide",
    "The range was chosen for larger numbers than there are, and few of the codes are used.",
)
FEW = 32  # codes
LEAST = 2.0**-6  # of float8: what is smaller has fewer than 3 bits of mantissa


def find(case: Case) -> Finding | None:
    """Are there few codes between the least and the greatest number, or between those that are not rare?"""
    if case.codes is None or case.codes.scale is None:
        return None
    scale = float(case.codes.scale.max())
    numbers = np.concatenate([a[np.isfinite(a)].ravel() for a in case.numbers])
    if not numbers.size:
        return None
    if case.codes.dtype == FLOAT8:
        return _of_float8(case, numbers, scale)
    used = len(np.unique(np.concatenate([case.codes.encode(a, case.codes.dtype).ravel() for a in case.numbers])))
    low, high = float(numbers.min()), float(numbers.max())
    if (high - low) / scale > FEW and used > FEW:
        usual = float(np.quantile(np.abs(numbers), 0.99))
        if usual / scale > FEW / 4:
            return None
        text = (
            f"99 % of '{case.tensor}' stay below {usual:.4g}, which is {usual / scale:.1f} codes; it reaches {high:.4g}"
        )
        return case.finding(CAUSE, text, advice="or calibrate with --calib-method entropy, which cuts rare numbers")
    least, most = (float(np.max(end)) for end in case.codes.range(case.numbers[0].ndim))
    text = (
        f"'{case.tensor}' goes from {low:.4g} to {high:.4g}; its range is {least:.4g} to {most:.4g}: "
        f"{used} of 256 codes are used"
    )
    return case.finding(CAUSE, text, advice="or calibrate again with samples like these: that costs no time")


def _of_float8(case: Case, numbers: np.ndarray[Any, Any], scale: float) -> Finding | None:
    """A wider range costs float8 nothing, until the numbers are smaller than its smallest exponent."""
    usual = float(np.quantile(np.abs(numbers), 0.99))
    if usual >= LEAST * scale:
        return None
    text = f"99 % of '{case.tensor}' stay below {usual:.4g}; float8 has its full precision from {LEAST * scale:.4g} on"
    return case.finding(CAUSE, text, advice="or calibrate again with samples like these: that costs no time")
