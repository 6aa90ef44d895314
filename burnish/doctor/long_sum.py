"""No single launch loses much, and yet the answer is wrong: small terms are added to a large sum that is kept narrow.

bf16 keeps 8 bits: 256 + 1 is 256. Each addition is as exact as its type allows, and a thousand of them lose a thousand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx_ir as ir

from burnish.doctor.case import Case
from burnish.doctor.finding import Cause, Finding
from burnish.doctor.observe import Observation, Observed
from burnish.passes.rewrite.constants import constant_array

Array = np.ndarray[Any, Any]
CAUSE = Cause(
    "long_sum",
    "too few bits in a long sum",
    "A large sum is kept in so few bits that the terms which are added to it are rounded away.",
)
MANY = Cause(
    "many_roundings",
    "many small roundings",
    "No launch loses more than is usual; together, or magnified by a layer, their roundings are too much.",
)
MOST_SUSPECTS = 64
SWALLOWED = 0.2  # of a term is lost by the rounding of the sum


def suspects(boundaries: Sequence[Observed]) -> list[Observed]:
    """Boundaries to look at: those that are furthest off, in the plan's order."""
    worst = sorted(boundaries, key=lambda o: -o.whole.error)[:MOST_SUSPECTS]
    return [own for own in boundaries if own in worst]


def find(cases: Sequence[Case]) -> Finding | None:
    """The sums that swallow their terms, as one finding."""
    found = [(case, *hit) for case in cases if (hit := _swallows(case)) is not None]
    if not found:
        return None
    case, _, lost = found[0]
    names = tuple(dict.fromkeys(str(node.name) for _, node, _ in found))
    text = f"'{case.tensor}', kept as {case.dtype}, loses {lost:.0%} of the term that is added to it"
    text += f"; so do {len(names) - 1} sums more" if len(names) > 1 else ""
    return Finding(CAUSE, names[0], case.tensor, text, case.observed.whole.error, names)


def find_growth(cases: Sequence[Case], seen: Observation) -> Finding | None:
    """The layer after which the error has grown most."""
    grown = max(cases, key=lambda case: _growth(case, seen), default=None)
    if grown is None:
        return None
    times, error = _growth(grown, seen), grown.observed.whole.error
    return grown.finding(MANY, f"the error grows {times:.2g} times up to '{grown.tensor}', where it is {error:.2%}")


def _swallows(case: Case) -> tuple[ir.Node, float] | None:
    """A sum of which a term is lost when it is stored, and the share that is lost."""
    if case.codes is not None:
        return None
    for node in case.region:
        if node.op_type not in ("Add", "Sub", "Sum"):
            continue
        for value in node.inputs:
            term = case.of(value) or _constant(value)
            if term is None or case.of(node.outputs[0]) is None:
                continue
            lost = [m.astype(np.float64) - e for m, e in zip(case.made, case.numbers)]
            size, error = _size(term), _size(lost)
            if size > 0 and error >= SWALLOWED * size and size < _size(case.numbers):
                return node, min(error / size, 1.0)
    return None


def _growth(case: Case, seen: Observation) -> float:
    """How many times larger the error is than in what was read."""
    reads = set(case.observed.boundary.reads)
    before = max((o.whole.error for o in seen.boundaries if o.boundary.name in reads), default=0.0)
    return case.observed.whole.error / max(before, case.error, 1e-12)


def _constant(value: Any) -> list[Array] | None:
    array = constant_array(value)
    return None if array is None or array.dtype.kind not in "fV" else [array.astype(np.float32)]


def _size(arrays: Sequence[Array]) -> float:
    numbers = np.concatenate([a[np.isfinite(a)].ravel() for a in arrays]).astype(np.float64)
    return float(np.sqrt(np.mean(numbers**2))) if numbers.size else 0.0
