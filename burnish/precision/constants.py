"""Constants in fewer bits: rounded to nearest even, and refused where the type cannot hold what they mean."""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np

from burnish.dtypes import DType

Array = np.ndarray[Any, Any]
BOUNDLESS = 1e8  # a scalar at least this large, where something is chosen, stands for infinity


def misfit(array: Array, to: DType, selects: bool = False) -> str:
    """Why the type cannot hold the constant; empty if it can.

    selects: a single huge number means "no bound": it may become the type's largest
    """
    finite = np.abs(array[np.isfinite(array)])
    if not finite.size:
        return ""
    largest, info = float(finite.max()), ml_dtypes.finfo(to.numpy)
    if largest > float(info.max) and not (selects and array.size == 1 and largest >= BOUNDLESS):
        return f"holds {largest:.3g}, and {to.value} ends at {float(info.max):.5g}"
    if 0 < largest < float(info.smallest_normal):
        return f"holds nothing above {largest:.3g}, which vanishes in {to.value}"
    return ""


def narrowed(array: Array, to: DType) -> Array:
    """The nearest values of the type; finite ones stay finite."""
    limit = np.float32(ml_dtypes.finfo(to.numpy).max)
    bounded = np.where(np.isfinite(array), np.clip(array, -limit, limit), array)
    return bounded.astype(to.numpy)
