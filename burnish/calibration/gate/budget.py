"""How far answers may be from those in f32: one limit or several, each a word, or a function of the user's.

    cos=1e-3      sqnr=30dB      top1=0.5%,cos=1e-3      metric.py:my_error=0.1      (function, 0.1)

A function gets (outputs of each run, those in f32, labels or None) and returns an error, the smaller the better.
metrics.py says what the words measure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.calibration.gate.metrics import Answers, Measure, measure_of
from burnish.calibration.python_file import load_function
from burnish.errors import BurnishError, UserError

_WORD = re.compile(r"\s*(?P<name>.+?)\s*=\s*(?P<limit>[0-9.eE+-]+)\s*(?P<unit>dB|%)?\s*", re.DOTALL)
_AFTER_LIMIT = re.compile(r"(=\s*[0-9.eE+-]+\s*(?:dB|%)?\s*),")
_FUNCTION = re.compile(r"(?P<path>.+\.py):(?P<name>\w+)", re.DOTALL)
WORDS = "cos=1e-3, sqnr=30dB, psnr=40dB, ssim=0.99, top1=0.5%, map=0.01, spearman=0.005, wer=0.01, FILE.py:FUNCTION=0.1"


@dataclass(frozen=True)
class Budget:
    """measure: gives a number; the limit is its largest, or its smallest where more is better."""

    name: str
    measure: Measure
    limit: float
    is_better_high: bool = False
    unit: str = ""

    def found(self, ours: Answers, exact: Answers, labels: Any) -> float:
        """What the metric measures; a NaN is as bad as can be.

        raises: E764 for outputs that are not as the metric needs them, E767 for a function that fails
        """
        try:
            value = float(self.measure(ours, exact, labels))
        except BurnishError:
            raise
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            if measure_of(self.name) is None:
                hint = "it gets (outputs, those in f32, labels) and returns a number"
                raise UserError("E767", f"the metric {self.name} failed", why=why, hint=hint) from error
            hint = "give a decoder: --decode FILE.py with decode(outputs); docs/quantization.md says what it returns"
            raise UserError("E764", f"{self.name} cannot be measured on these outputs", why=why, hint=hint) from error
        return (-math.inf if self.is_better_high else math.inf) if math.isnan(value) else value

    def is_met(self, found: float) -> bool:
        return found >= self.limit if self.is_better_high else found <= self.limit

    def error(self, found: float) -> float:
        """A number that grows with the error and adds up over layers: of decibels, the share of noise."""
        if self.unit == "dB":
            return 10 ** min(-found / 10, 300.0)
        return 1 - found if self.is_better_high else found

    def excess(self, found: float) -> float:
        """How far the error is beyond the limit's, as a multiple of the limit's; 0 or less if the budget is met."""
        limit = self.error(self.limit)
        return (self.error(found) - limit) / (abs(limit) or 1.0)

    def text(self, found: float) -> str:
        """A number with its unit."""
        return f"{found:.4g}{' ' if self.unit == 'dB' else ''}{self.unit}"

    @property
    def word(self) -> str:
        """The budget as it is given. A function of Python's own is known by its name alone."""
        return f"{self.name}={self.limit:.12g}{self.unit}"


@dataclass(frozen=True)
class Budgets:
    """All must be met."""

    each: tuple[Budget, ...]

    def found(self, ours: Answers, exact: Answers, labels: Any) -> tuple[float, ...]:
        return tuple(budget.found(ours, exact, labels) for budget in self.each)

    def is_met(self, found: Sequence[float]) -> bool:
        return all(budget.is_met(value) for budget, value in zip(self.each, found, strict=True))

    def excess(self, found: Sequence[float]) -> float:
        """That of the budget which is furthest from being met."""
        return max(budget.excess(value) for budget, value in zip(self.each, found, strict=True))

    def texts(self, found: Sequence[float]) -> str:
        return ", ".join(f"{b.name} {b.text(value)}" for b, value in zip(self.each, found, strict=True))


def parse_budgets(given: Any) -> Budgets:
    """Budgets from words, or from (function, limit), or from a list of both.

    raises: E726 for anything else, E767 for a file without the function
    """
    is_one = isinstance(given, str | tuple) or not isinstance(given, Sequence)
    entries = [given] if is_one else list(given)
    found = [_parse(part) for entry in entries for part in _parts(entry)]
    names = [budget.name for budget in found]
    if not found or len(set(names)) != len(names):
        why = "it holds nothing" if not found else "a metric has two limits"
        raise UserError("E726", f"{given!r} is no error budget", why=why, hint="give each metric one limit")
    return Budgets(tuple(found))


def _parts(entry: Any) -> list[Any]:
    """The words between commas; a comma that follows no limit belongs to a file's name."""
    return _AFTER_LIMIT.sub(r"\1\n", entry).split("\n") if isinstance(entry, str) else [entry]


def _parse(given: Any) -> Budget:
    if isinstance(given, tuple) and len(given) == 2 and callable(given[0]) and isinstance(given[1], int | float):
        name = f"{getattr(given[0], '__name__', 'function')}()"  # which is no word, so no plan takes it for a metric
        return Budget(name, _on_outputs(given[0]), _limit(given, given[1]))
    found = _WORD.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        raise _no_budget(given, f"there are {WORDS}")
    limit = _limit(given, found["limit"])
    if file := _FUNCTION.fullmatch(found["name"]):
        if found["unit"]:
            raise _no_budget(given, "the limit of a function has no unit")
        return Budget(found["name"], _on_outputs(_load(Path(file["path"]), file["name"])), limit)
    known = measure_of(found["name"])
    if known is None or (found["unit"] or "") not in ("", known[2]):
        raise _no_budget(given, f"there are {WORDS}")
    if found["name"] == "cos" and limit < 0:
        raise _no_budget(given, "1 - cosine is never negative, so no layer could be in int8")
    return Budget(found["name"], known[0], limit, *known[1:])


def _limit(given: Any, limit: Any) -> float:
    try:
        value = float(limit)
    except ValueError as error:
        raise _no_budget(given, str(error)) from error
    if not math.isfinite(value):
        raise _no_budget(given, "the limit is no finite number")
    return value


def _load(path: Path, name: str) -> Callable[..., Any]:
    try:
        return load_function(path, name)
    except Exception as error:  # a user's file may raise anything
        why = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
        hint = "FILE.py:FUNCTION=LIMIT; it gets (outputs, those in f32, labels) and returns a number"
        raise UserError("E767", f"{path} has no metric {name}", why=why, hint=hint) from error


def _on_outputs(function: Callable[..., Any]) -> Measure:
    return lambda ours, exact, labels: function(ours.outputs, exact.outputs, labels)


def _no_budget(given: Any, why: str) -> UserError:
    return UserError("E726", f"{given!r} is no error budget", why=why, hint="or (function, limit)")
