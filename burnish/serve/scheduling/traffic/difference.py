"""How far two models' answers to one request are apart, in numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.serve.datatypes import BYTES
from burnish.serve.request import Tensor


@dataclass(frozen=True, slots=True)
class Tolerance:
    """Numbers agree if |a - b| <= atol + rtol * |a|."""

    rtol: float = 0.0
    atol: float = 0.0


@dataclass(frozen=True, slots=True)
class Difference:
    """Of one output.

    elements   how many there are
    unequal    how many differ; a NaN equals a NaN
    beyond     how many differ by more than the tolerance
    max_abs    the largest |a - b|; infinite where one is not finite and the other is not the same
    max_rel    the largest |a - b| / |a|
    problem    why they cannot be compared: another shape or type, or missing; "" if they can
    """

    output: str
    elements: int = 0
    unequal: int = 0
    beyond: int = 0
    max_abs: float = 0.0
    max_rel: float = 0.0
    problem: str = ""


def differences(primary: Sequence[Tensor], other: Sequence[Tensor], tolerance: Tolerance) -> list[Difference]:
    """One for each output of either."""
    theirs = {t.name: t for t in other}
    found = [_difference(t, theirs.pop(t.name, None), tolerance) for t in primary]
    return found + [Difference(name, problem="the primary has no such output") for name in theirs]


def _difference(a: Tensor, b: Tensor | None, tolerance: Tolerance) -> Difference:
    if b is None:
        return Difference(a.name, problem="the shadow has no such output")
    if a.datatype != b.datatype:
        return Difference(a.name, problem=f"type {a.datatype} became {b.datatype}")
    if a.shape != b.shape:
        return Difference(a.name, problem=f"shape {list(a.shape)} became {list(b.shape)}")
    if a.datatype in (BYTES, "BOOL"):
        unequal = int(np.count_nonzero(a.data != b.data))
        return Difference(a.name, int(a.data.size), unequal, unequal)
    return _numbers(a.name, a.data, b.data, tolerance)


def _numbers(name: str, a: np.ndarray[Any, Any], b: np.ndarray[Any, Any], tolerance: Tolerance) -> Difference:
    is_equal = a == b
    if a.dtype.kind not in "iu":
        is_equal |= np.isnan(a) & np.isnan(b)
    unequal = int(a.size - np.count_nonzero(is_equal))
    if not unequal:
        return Difference(name, int(a.size))
    rest = ~is_equal
    x, y = a[rest].astype(np.float64), b[rest].astype(np.float64)
    with np.errstate(all="ignore"):
        gap = np.abs(x - y)
        ratio = gap / np.abs(x)
        limit = tolerance.atol + tolerance.rtol * np.abs(x)
        beyond = int(gap.size - np.count_nonzero((gap <= limit) & np.isfinite(gap)))
    gap[np.isnan(gap)] = np.inf
    ratio[np.isnan(ratio)] = np.inf
    return Difference(name, int(a.size), unequal, beyond, float(gap.max()), float(ratio.max()))
