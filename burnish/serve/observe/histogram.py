"""How long requests were in each stage, counted in fixed buckets.

Ten buckets a decade from 1 us to 100 s (each 1.25 times the one below it), so a percentile read out of them is off by a
few percent at most. Metrics show the bounds 1, 2 and 5 of each decade.

A request costs one extension of a list; what is in the list is sorted into buckets when somebody looks, or when it is
full. That is 0.4 us a request in all, where five bisections took 1.4 us; to answer one over HTTP takes 100 us and more.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np

_STEPS = (1000, 1250, 1600, 2000, 2500, 3150, 4000, 5000, 6300, 8000)
_DECADES = 8
BOUNDS_NS: tuple[int, ...] = (*(step * 10**d for d in range(_DECADES) for step in _STEPS), 10**11)
SHOWN = tuple(i for i in range(len(BOUNDS_NS)) if i % 10 in (0, 3, 7))  # places of what metrics show
STAGES = ("queue", "input", "infer", "output", "whole")
_BUCKETS = len(BOUNDS_NS) + 1
_FULL = 256 * len(STAGES)
_BOUNDS = np.array(BOUNDS_NS)
_LAST = [*SHOWN, len(BOUNDS_NS)]
Counts = np.ndarray[Any, np.dtype[np.int64]]


class StageHistograms:
    """add: takes the five durations of a request in the order of STAGES."""

    __slots__ = ("_counts", "_recent")

    def __init__(self) -> None:
        self._recent: list[int] = []
        self._counts: Counts = np.zeros((len(STAGES), _BUCKETS), np.int64)

    def add(self, durations_ns: tuple[int, int, int, int, int]) -> None:
        self._recent += durations_ns
        if len(self._recent) >= _FULL:
            self._sort()

    @property
    def counts(self) -> Counts:
        """[stage, i]: durations above BOUNDS_NS[i - 1] and at most BOUNDS_NS[i]; the last is of all that are longer.

        A duration below 0 is none: an answer out of the cache was in no stage but the whole.
        """
        if self._recent:
            self._sort()
        return self._counts

    def _sort(self) -> None:
        durations = np.array(self._recent, np.int64).reshape(-1, len(STAGES))
        self._recent.clear()
        places = np.searchsorted(_BOUNDS, durations) + np.arange(len(STAGES)) * _BUCKETS
        found = np.bincount(places[durations >= 0], minlength=self._counts.size)
        self._counts = self._counts + found.reshape(self._counts.shape)


def percentiles_ns(counts: Counts, parts: Sequence[float]) -> list[float]:
    """For each part the duration that this part of a stage's do not exceed, between a bucket's bounds in proportion.

    returns: nothing if the stage has none
    """
    sums = counts.cumsum().tolist()
    total = sums[-1]
    found = []
    for part in parts if total else ():
        wanted = part * total
        i = bisect_left(sums, wanted)
        if i == len(BOUNDS_NS):
            found.append(float(BOUNDS_NS[-1]))
            continue
        low, below = (BOUNDS_NS[i - 1], sums[i - 1]) if i else (0, 0)
        found.append(low + (BOUNDS_NS[i] - low) * (wanted - below) / (sums[i] - below))
    return found


def shown_counts(counts: Counts) -> list[int]:
    """How many of a stage's were at most as long as each shown bound; the last is of all."""
    found: list[int] = np.cumsum(counts)[_LAST].tolist()
    return found
