"""Check that a plan gives the answers of its model: every output, against an oracle that shares no code with us."""

from __future__ import annotations

from burnish.verification.compare import Comparison, compare
from burnish.verification.divergence import Divergence, first_divergent
from burnish.verification.tolerance import Tolerance, derive_tolerance
from burnish.verification.verify_plan import VerifyReport, verify

__all__ = [
    "Comparison",
    "Divergence",
    "Tolerance",
    "VerifyReport",
    "compare",
    "derive_tolerance",
    "first_divergent",
    "verify",
]
