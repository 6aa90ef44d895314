"""A number leaves a narrow float's range: f16 ends at 65504, and a sum of many terms comes there soon."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from burnish.doctor.case import Case
from burnish.doctor.finding import Cause, Finding

CAUSE = Cause(
    "overflow",
    "overflow of a narrow float",
    "The numbers are larger than the type can hold, and become infinite.",
)
SUMS = frozenset({"MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum", "Add", "Sum", "ReduceSum", "ReduceSumSquare"})


def find(case: Case) -> Finding | None:
    """Is the number infinite because the type ends before it?"""
    if case.codes is not None or case.dtype.kind not in "fV" or not case.observed.made.bad:
        return None
    end = float(ml_dtypes.finfo(case.dtype).max)
    largest, name = max(
        (float(np.abs(a[np.isfinite(a)]).max(initial=0.0)), n) for n, x in case.exact.items() for a in x
    )
    if largest <= end:
        return None
    own = max((float(np.abs(a[np.isfinite(a)]).max(initial=0.0)) for a in case.numbers), default=0.0)
    largest, name = (own, case.tensor) if own > end else (largest, name)
    sums = [n for n in case.region if n.op_type in SUMS]
    what = f"a sum of {sums[-1].op_type} '{sums[-1].name}'" if sums else f"'{name}'"
    text = f"{what} reaches {largest:.4g}; {case.dtype} ends at {end:.5g}; {case.observed.made.bad} numbers are lost"
    return case.finding(CAUSE, text, str(sums[-1].name) if sums else "")
