"""Compare two tensors: their difference, and whether it is too large."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from burnish.dtypes import DType
from burnish.verification.tolerance import HIGHEST_GAIN, RMS_SHARE, Tolerance

Array = np.ndarray[Any, Any]
QUANTISED_STEP_SHARE = 0.01  # of the elements of an 8-bit output may differ, by one step


@dataclass(frozen=True, slots=True)
class Comparison:
    """One output against the oracle's.

    max_abs        largest difference
    max_relative   that over the largest magnitude of the oracle's values
    rms_relative   root mean square of the differences over that of the oracle's values
    max_ulp        largest difference in units of the last place; large near zero, so reported and not judged
    cosine         of the two as vectors; 1 for equal ones
    reason         why it was rejected; empty if it was accepted
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    max_abs: float = 0.0
    max_relative: float = 0.0
    rms_relative: float = 0.0
    max_ulp: int = 0
    cosine: float = 1.0
    tolerance: float = 0.0
    reason: str = ""

    @property
    def is_accepted(self) -> bool:
        return not self.reason

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self) | {"accepted": self.is_accepted}


def compare(name: str, ours: Array, oracle: Array, tolerance: Tolerance) -> Comparison:
    """Judge one output. Values that are nan or infinite in the oracle's output, and only those, must be so here."""
    dtype = DType.of(oracle.dtype)
    about = (name, dtype.value, tuple(ours.shape))
    if ours.shape != oracle.shape:
        return Comparison(*about, cosine=0.0, reason=f"shape {list(ours.shape)}, the oracle's is {list(oracle.shape)}")
    if ours.dtype != oracle.dtype:
        return Comparison(
            *about, cosine=0.0, reason=f"type {DType.of(ours.dtype).value}, the oracle's is {dtype.value}"
        )
    if not oracle.size:
        return Comparison(*about)
    if ours.dtype.kind == "c":
        parts = f"f{ours.dtype.itemsize // 2}"
        ours, oracle = (np.ascontiguousarray(a).view(parts) for a in (ours, oracle))
        return _floats(about, ours, oracle, tolerance)
    return _floats(about, ours, oracle, tolerance) if dtype.is_float else _exact(about, ours, oracle, tolerance)


def _floats(about: tuple[str, str, tuple[int, ...]], ours: Array, oracle: Array, tolerance: Tolerance) -> Comparison:
    a, b = ours.astype(np.float64).ravel(), oracle.astype(np.float64).ravel()
    limit = tolerance.relative
    if not np.array_equal(np.isnan(a), np.isnan(b)) or not np.array_equal(a[np.isinf(a)], b[np.isinf(a)]):
        return Comparison(
            *about, cosine=0.0, tolerance=limit, reason="nan or infinity where the oracle has none, or the reverse"
        )
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)):
        return Comparison(
            *about, cosine=0.0, tolerance=limit, reason="infinity where the oracle has none, or the reverse"
        )
    ulp = _max_ulp(ours.ravel()[finite], oracle.ravel()[finite])
    a, b = a[finite], b[finite]
    with np.errstate(over="ignore"):  # opposite huge values: an infinite difference, which is rejected
        difference = np.abs(a - b)
    worst, scale = float(difference.max(initial=0.0)), float(np.abs(b).max(initial=0.0))
    rms, rms_scale = _rms(difference), _rms(b)
    relative = worst / scale if scale else float(worst > 0)
    rms_relative = rms / rms_scale if rms_scale else float(rms > 0)
    reason = _reason(tolerance, relative, rms_relative, _gain(a, b))
    return Comparison(*about, worst, relative, rms_relative, ulp, _cosine(a, b), limit, reason)


def _reason(tolerance: Tolerance, largest: float, rms: float, gain: float) -> str:
    """Why the differences are too large; empty if they are not."""
    limit = tolerance.relative
    measured = [("root mean square", rms, limit)] if tolerance.quantised else [("largest", largest, limit)]
    if tolerance.is_narrow:
        measured.append(("root mean square", rms, limit if tolerance.quantised else limit / RMS_SHARE))
    for what, found, allowed in measured:
        if found > allowed:
            return f"the {what} difference is {found:.2e} of the output's, {allowed:.2e} is allowed"
    if tolerance.is_narrow and abs(gain - 1) > HIGHEST_GAIN:
        return f"the output is {gain:.4f} times the oracle's, which roundings do not explain"
    return ""


def _gain(a: Array, b: Array) -> float:
    """The factor that makes b fit a best; 1 for nothing but zeros."""
    largest = float(np.abs(b).max(initial=0.0))
    if not largest:
        return 1.0
    b = b / largest
    return float(np.dot(a / largest, b) / np.dot(b, b))


def _exact(about: tuple[str, str, tuple[int, ...]], ours: Array, oracle: Array, tolerance: Tolerance) -> Comparison:
    different = ours != oracle
    count = int(np.count_nonzero(different))
    if ours.dtype == object or ours.dtype == bool:
        reason = f"{count} of {ours.size} elements differ" if count else ""
        return Comparison(*about, float(count > 0), cosine=1.0 - count / ours.size, reason=reason)
    worst = max(abs(int(x) - int(y)) for x, y in zip(ours[different], oracle[different])) if count else 0
    a, b = ours.astype(np.float64).ravel(), oracle.astype(np.float64).ravel()
    scale = float(np.abs(b).max())
    is_step = (
        tolerance.quantised and ours.dtype.itemsize == 1 and worst <= 1 and count <= QUANTISED_STEP_SHARE * ours.size
    )
    reason = f"{count} of {ours.size} elements differ, by up to {worst}" if count and not is_step else ""
    rms_scale = _rms(b)
    rms_relative = _rms(a - b) / rms_scale if rms_scale else float(count > 0)
    relative = worst / scale if scale else float(worst > 0)
    return Comparison(*about, float(worst), relative, rms_relative, worst, _cosine(a, b), 0.0, reason)


def _rms(values: Array) -> float:
    """Scaled, so that the squares of huge values do not overflow."""
    largest = float(np.abs(values).max(initial=0.0))
    if not largest or np.isinf(largest):
        return largest
    return largest * float(np.sqrt(np.mean((values / largest) ** 2)))


def _cosine(a: Array, b: Array) -> float:
    largest = max(float(np.abs(a).max(initial=0.0)), float(np.abs(b).max(initial=0.0)))
    if not largest or np.array_equal(a, b):
        return 1.0
    a, b = a / largest, b / largest
    norms = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.dot(a, b)) / norms if norms else 0.0


def _max_ulp(a: Array, b: Array) -> int:
    """Distance in representable numbers: floats of one sign are ordered as their bits are."""
    if not a.size:
        return 0
    bits = f"i{a.dtype.itemsize}"
    lowest = int(np.iinfo(bits).min)

    def ordered(values: Array) -> Array:
        raw = np.ascontiguousarray(values).view(bits).astype(np.int64)
        return np.where(raw < 0, lowest - raw, raw)

    x, y = ordered(a), ordered(b)
    if a.dtype.itemsize < 8:
        return int(np.abs(x - y).max())
    place = int(np.argmax(np.abs(x.astype(np.float64) - y.astype(np.float64))))  # int64 would overflow
    return abs(int(x[place]) - int(y[place]))
