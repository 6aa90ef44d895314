"""Constants in fewer bits: rounded to nearest even, or refused if the type cannot hold their meaning."""

from __future__ import annotations

import math
from typing import Any

import ml_dtypes
import numpy as np

from burnish.dtypes import DType

Array = np.ndarray[Any, Any]
MOST_LIFTED = 14  # its reciprocal is still a normal number of f16
BOUNDLESS = 1e8  # a scalar at least this large, where something is chosen, stands for infinity


def misfit(array: Array, to: DType, selects: bool = False, adds: bool = False) -> str:
    """The reason why the type cannot hold the constant; empty if it can.

    selects: a single huge number means "no bound": it may become the type's largest
    adds:    a bias may round to 0, as the rounding of its sum is larger; a single number (an epsilon) may not
    """
    finite = np.abs(array[np.isfinite(array)])
    if not finite.size:
        return ""
    largest, info = float(finite.max()), ml_dtypes.finfo(to.numpy)
    if largest > float(info.max) and not (selects and array.size == 1 and largest >= BOUNDLESS):
        return f"holds {largest:.3g}, and {to.value} ends at {float(info.max):.5g}"
    if 0 < largest < float(info.smallest_normal) and not (adds and array.size > 1):
        return f"holds nothing above {largest:.3g}, which vanishes in {to.value}"
    return ""


def lifting(weight: Array, to: DType) -> int:
    """The power of two that multiplies weights so that the type holds them as normal numbers; mostly 0.

    The smallest step of f16 is 2^-24. If the largest weight is below 2^-13, that step is coarser than the usual
    rounding of f16 (layer scales of 1e-6 that were folded into a product cause this).
    """
    finite = np.abs(weight[np.isfinite(weight)])
    largest = float(finite.max()) if finite.size else 0.0
    step = float(ml_dtypes.finfo(to.numpy).smallest_subnormal)
    precision = float(ml_dtypes.finfo(to.numpy).eps)
    if not largest or largest * precision > step:
        return 0
    return min(MOST_LIFTED, -math.floor(math.log2(largest)))


def narrowed(array: Array, to: DType) -> Array:
    """The nearest values of the type; finite values stay finite."""
    limit = np.float32(ml_dtypes.finfo(to.numpy).max)
    bounded = np.where(np.isfinite(array), np.clip(array, -limit, limit), array)
    return bounded.astype(to.numpy)
