"""Indices that come from data must lie inside the axis that they index. The runtime checks this after each run.

If an index lies outside, the kernel uses the nearest valid index instead, so that nothing is read or written outside a
tensor. It also leaves a trace of the index that lies farthest outside. The runtime reads all traces after the run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from burnish.dims import Dim, evaluate, symbols
from burnish.errors import UserError

FARTHEST = 1 << 60  # indices farther out leave this one's trace: twice it still fits in an i64


@dataclass(frozen=True, slots=True)
class IndexCheck:
    """Every index is at least `low` and at most `high`.

    what:           the indices and what they index, for messages: "Gather, 'ids' into axis 0 of 'table'"
    where:          the node and its inputs
    storage, place: where the trace lies, in elements of i64: 0, or see `index_of`
    """

    what: str
    where: str
    low: Dim
    high: Dim
    storage: int
    place: int

    @property
    def symbols(self) -> frozenset[str]:
        return symbols(self.low) | symbols(self.high)


def index_of(trace: int) -> int:
    """The index of a trace. It is 2 * (index + 1) above the range, 1 - 2 * index below it; larger is farther out."""
    return (1 - trace) // 2 if trace % 2 else trace // 2 - 1


def out_of_range(check: IndexCheck, trace: int, values: Mapping[str, int]) -> UserError:
    """The error of a trace that is not 0 (E525)."""
    low, high, index = evaluate(check.low, values), evaluate(check.high, values), index_of(trace)
    shown = str(index) if abs(index) < FARTHEST else f"{index} or one beyond it"
    allowed = f"{low} to {high}" if low <= high else "none: the axis is empty"
    return UserError(
        "E525",
        f"index {shown} is out of range: {check.what}",
        where=check.where,
        why=f"the indices that are allowed: {allowed}",
        hint="check the input that holds the indices; a plan built with index_checks=False (--no-index-checks) "
        "takes the nearest index instead",
    )
