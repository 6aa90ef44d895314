"""None of the other causes: the layer, and how much it loses."""

from __future__ import annotations

from burnish.doctor.case import Case
from burnish.doctor.finding import Cause, Finding

CAUSE = Cause(
    "unexplained",
    "a layer that loses much",
    "This layer's work is not safe in so few bits, for no cause that is known.",
)


def find(case: Case) -> Finding:
    """Fits always."""
    made = case.observed.made
    text = f"'{case.tensor}', kept as {case.dtype}, is {made.error:.2%} off, made of exact numbers"
    return case.finding(CAUSE, text)
