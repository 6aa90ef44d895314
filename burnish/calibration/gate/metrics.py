"""How far answers may be from those in f32: a word such as cos=1e-3, and what it measures.

cos=1e-3      mean over the samples of 1 - cosine between the outputs; 1 where one is NaN or Inf and f32's is not
sqnr=30dB     signal to quantisation noise over all samples, at least
psnr=40dB     peak signal to noise of the first output over all samples, at least; the peak is its range in f32
top1=0.5%     share of samples that f32 labels right and codes do not, less the reverse; without labels: share of
              samples whose largest score moves
a function    of (outputs, those of f32, labels or None), which returns an error; its limit stands beside it
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.errors import UserError

Array = np.ndarray[Any, Any]
Outputs = Sequence[Mapping[str, Array]]
Measure = Callable[[Outputs, Outputs, "Array | None"], float]
_WORD = re.compile(r"\s*(?P<name>[a-z0-9]+)\s*=\s*(?P<limit>[0-9.eE+-]+)\s*(?P<unit>dB|%)?\s*")


@dataclass(frozen=True)
class Budget:
    """measure: gives a number; the limit is its largest, or its smallest where more is better."""

    name: str
    measure: Measure
    limit: float
    is_better_high: bool = False
    unit: str = ""

    def is_met(self, found: float) -> bool:
        return found >= self.limit if self.is_better_high else found <= self.limit

    def error(self, found: float) -> float:
        """A number that grows with the error and adds up over layers: of decibels, the share of noise."""
        return 10 ** (-found / 10) if self.is_better_high else found

    def excess(self, found: float) -> float:
        """How far the error is beyond the limit's; 0 or less if the budget is met."""
        return self.error(found) - self.error(self.limit)

    def measured(self, excess: float) -> float:
        """What was measured where the error was so far beyond the limit's."""
        error = excess + self.error(self.limit)
        return _decibel(1.0, error) if self.is_better_high else error

    def text(self, found: float) -> str:
        """A number with its unit."""
        return f"{found:.4g}{' ' if self.unit == 'dB' else ''}{self.unit}"


def parse_budget(given: Any) -> Budget:
    """A budget from a word, or from (function, limit). E726 for anything else."""
    if isinstance(given, tuple) and len(given) == 2 and callable(given[0]) and isinstance(given[1], int | float):
        return Budget(getattr(given[0], "__name__", "function"), given[0], float(given[1]))
    found = _WORD.fullmatch(given) if isinstance(given, str) else None
    name = found["name"] if found else ""
    if found is None or name not in MEASURES or (found["unit"] or "") not in ("", MEASURES[name][2]):
        words = "cos=1e-3, sqnr=30dB, psnr=40dB, top1=0.5%"
        raise UserError("E726", f"{given!r} is no error budget", why=f"there are {words}", hint="or (function, limit)")
    try:
        limit = float(found["limit"])
    except ValueError as error:
        raise UserError("E726", f"{given!r} is no error budget", why=str(error), hint="give a number") from error
    if name == "cos" and limit < 0:
        why = "1 - cosine is never negative, so no layer could be in int8"
        raise UserError("E726", f"{given!r} is no error budget", why=why, hint="cos=1e-3, for one")
    measure, is_better_high, unit = MEASURES[name]
    return Budget(name, measure, limit, is_better_high, unit)


def cosine(ours: Outputs, exact: Outputs, labels: Array | None = None) -> float:
    """Mean of 1 - cosine over the samples, all outputs of a sample as one vector."""
    return float(np.mean([_one_minus_cosine(_flat(a), _flat(b)) for a, b in zip(ours, exact, strict=True)]))


def sqnr(ours: Outputs, exact: Outputs, labels: Array | None = None) -> float:
    """In dB, over all samples; infinite if nothing differs."""
    noise = sum(float(((_flat(a) - _flat(b)) ** 2).sum()) for a, b in zip(ours, exact, strict=True))
    return _decibel(sum(float((_flat(b) ** 2).sum()) for b in exact), noise)


def psnr(ours: Outputs, exact: Outputs, labels: Array | None = None) -> float:
    """In dB, of the first output; the peak is the difference of its largest and smallest number in f32."""
    first = [np.asarray(next(iter(b.values())), np.float64) for b in exact]
    mine = [np.asarray(next(iter(a.values())), np.float64) for a in ours]
    noise = np.mean([((a - b) ** 2).mean() for a, b in zip(mine, first, strict=True)])
    return _decibel(float(max(b.max() for b in first) - min(b.min() for b in first)) ** 2, float(noise))


def top1(ours: Outputs, exact: Outputs, labels: Array | None = None) -> float:
    """In percent of the samples; see the module."""
    mine, theirs = _largest(ours), _largest(exact)
    if labels is None:
        return float(np.mean(mine != theirs) * 100)
    if len(labels) != len(theirs):
        why = f"there are {len(labels)} labels and {len(theirs)} answers"
        raise UserError("E727", "the labels do not fit the data", why=why, hint="one label for each sample")
    return float((np.mean(theirs == labels) - np.mean(mine == labels)) * 100)


MEASURES: dict[str, tuple[Measure, bool, str]] = {
    "cos": (cosine, False, ""),
    "sqnr": (sqnr, True, "dB"),
    "psnr": (psnr, True, "dB"),
    "top1": (top1, False, "%"),
}


def _largest(outputs: Outputs) -> Array:
    """The place of the largest score of each row of the first output, over all samples."""
    rows = [np.asarray(next(iter(each.values()))) for each in outputs]
    scores = [row.reshape(-1, row.shape[-1]) if row.ndim < 3 else row.reshape(len(row), -1) for row in rows]
    return np.concatenate([each.argmax(-1) for each in scores])


def _flat(outputs: Mapping[str, Array]) -> Array:
    numbers = [np.asarray(a, np.float64).reshape(-1) for a in outputs.values() if a.dtype.kind in "fiub"]
    return np.concatenate(numbers) if numbers else np.zeros(0)


def _one_minus_cosine(a: Array, b: Array) -> float:
    finite = np.isfinite(b)
    if not np.array_equal(finite, np.isfinite(a)):
        return 1.0  # as far as a right angle: of a NaN no cosine is known
    a, b = a[finite], b[finite]
    size = float(np.linalg.norm(a) * np.linalg.norm(b))
    if size == 0:
        return float(np.any(a) != np.any(b))
    return max(0.0, 1 - float(a @ b) / size)


def _decibel(signal: float, noise: float) -> float:
    if not np.isfinite(noise):
        return float("-inf")
    return float("inf") if noise == 0 else float(10 * np.log10(max(signal, 1e-300) / noise))
