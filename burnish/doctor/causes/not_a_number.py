"""NaN or Inf is there in f32 already: in the data, in a weight, or made by the model itself."""

from __future__ import annotations

from burnish.doctor.case import Case
from burnish.doctor.finding import Cause, Finding

CAUSE = Cause(
    "not_a_number",
    "NaN or Inf enters",
    "A number that is none spreads to all that is computed from it, in every precision.",
)


def find(case: Case) -> Finding | None:
    """Differs it only where f32 has no number either?"""
    made = case.observed.made
    if not made.bad_exact or (made.bad > made.bad_exact and case.codes is None):
        return None  # codes have no NaN: there, each one differs
    text = f"{made.bad_exact} of {made.count} numbers are NaN or Inf in f32, too"
    return case.finding(CAUSE, text, advice="look at the data and at the weights: no precision mends it")
