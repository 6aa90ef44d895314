"""Compare the answers of two schedules of one kernel. Floats may differ in how they were summed and rounded.

|a - b| <= (4 u + 2e-4) * largest magnitude      u: half a unit in the last place of 1; at most 0.8 %
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np

Array = np.ndarray[Any, Any]
HIGHEST = 0.008
SUMMING = 2e-4


def difference(ours: Sequence[Array], reference: Sequence[Array]) -> float:
    """The worst element's difference, in tolerances. Above 1 the answers disagree; infinity if NaNs differ."""
    return max((_difference(a, b) for a, b in zip(ours, reference)), default=0.0)


def _difference(ours: Array, reference: Array) -> float:
    if ours.tobytes() == reference.tobytes():
        return 0.0
    if not _is_float(reference.dtype):
        apart = np.abs(ours.astype(np.float64) - reference.astype(np.float64))
        step = 1.0 if reference.dtype.itemsize == 1 and reference.dtype != np.bool_ else 0.0
        worst = float(apart.max(initial=0.0))
        return worst / step if step else (0.0 if worst == 0 else float("inf"))
    a, b = ours.astype(np.float64), reference.astype(np.float64)
    finite = np.isfinite(b)
    if not np.array_equal(a[~finite], b[~finite], equal_nan=True) or not np.isfinite(a[finite]).all():
        return float("inf")
    scale = float(np.abs(b[finite]).max(initial=0.0)) or 1.0
    unit = 2.0 ** -(int(ml_dtypes.finfo(reference.dtype).nmant) + 1)
    return float(np.abs(a - b)[finite].max(initial=0.0)) / (min(HIGHEST, 4 * unit + SUMMING) * scale)


def _is_float(dtype: np.dtype[Any]) -> bool:
    return bool(np.issubdtype(dtype, np.floating)) or dtype.name.startswith(("bfloat", "float"))
