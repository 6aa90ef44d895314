"""Count a tensor's numbers over many samples, in one pass, so that the order of the samples does not matter.

Bins are narrow and their number is fixed; the range they cover is a power of two that doubles when a larger number
comes, which merges pairs of bins exactly. From these fine counts `folded` makes the usual 2,048 bins up to the largest
magnitude, which is known only in the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish.calibration.counting import FINE, MOST, counting
from burnish.precision.ranges import Range

Array = np.ndarray[Any, Any]
BINS = 2048
SHORTEST = 2.0**-100  # reach: what is smaller by many powers of two than any activation shares a bin


@dataclass(eq=False)
class Histogram:
    """counts: of the bins from -reach to reach, exact zeros left out, which have a code whatever the scale.

    low, high: the smallest and the largest number; count: of all numbers; zeros, bad: of zeros, and of NaN and Inf
    """

    counts: Array = field(default_factory=lambda: np.zeros(2 * FINE, np.int64))
    reach: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    count: int = 0
    zeros: int = 0
    bad: int = 0

    def add(self, numbers: Array) -> None:
        """Count an f32 tensor of any shape."""
        flat = np.ascontiguousarray(numbers, np.float32).reshape(-1)
        for start in range(0, flat.size, MOST):
            self._add(flat[start : start + MOST])

    def _add(self, flat: Array) -> None:
        found = counting().survey(flat)
        self.count, self.zeros, self.bad = self.count + flat.size, self.zeros + found.zeros, self.bad + found.bad
        if found.bad == flat.size:
            return
        self.low, self.high = min(self.low, found.low), max(self.high, found.high)
        largest = max(abs(found.low), abs(found.high))
        if largest:
            self.reach_to(largest)
            counting().tally(flat, FINE / self.reach, found, self.counts)

    def reach_to(self, largest: float) -> None:
        """Let the bins reach a number: double their width until they do."""
        wanted = max(2.0 ** math.ceil(math.log2(largest)), SHORTEST)
        if self.reach == 0:
            self.reach = wanted
        while self.reach < wanted:
            merged = self.counts.reshape(-1, 2).sum(1)
            self.counts = np.zeros_like(self.counts)
            self.counts[FINE // 2 : FINE // 2 + FINE] = merged
            self.reach *= 2

    def merge(self, other: Histogram) -> None:
        """Add what another histogram has counted."""
        self.count, self.zeros, self.bad = self.count + other.count, self.zeros + other.zeros, self.bad + other.bad
        self.low, self.high = min(self.low, other.low), max(self.high, other.high)
        if other.reach:
            self.reach_to(other.reach)
            taken = Histogram(other.counts.copy(), other.reach)
            taken.reach_to(self.reach)
            self.counts = self.counts + taken.counts

    @property
    def largest(self) -> float:
        """The largest magnitude; 0 if there was no finite number."""
        return max(abs(self.low), abs(self.high)) if self.count > self.bad else 0.0

    def outside(self, kept: Range) -> tuple[float, float]:
        """How many numbers are clipped below a range's codes and above them. A fine bin that an end cuts is shared."""
        if not self.reach:
            return 0.0, 0.0
        summed = np.concatenate([[0], np.cumsum(self.counts)]).astype(np.float64)
        edges = np.arange(-FINE, FINE + 1)
        low, high = kept.ends
        inside = np.interp(np.array([low, high]) * (FINE / self.reach), edges, summed)
        below, above = float(inside[0]), float(summed[-1] - inside[1])
        return below if self.low < low else 0.0, above if self.high > high else 0.0

    def folded(self, bins: int = BINS) -> Array:
        """Counts of magnitudes in `bins` bins of equal width from 0 to `largest`, as f64.

        A fine bin that an edge cuts is shared out by width.
        """
        magnitudes = self.counts[FINE:] + self.counts[:FINE][::-1]
        summed = np.concatenate([[0.0], np.cumsum(magnitudes, dtype=np.float64)])
        edges = np.linspace(0.0, self.largest, bins + 1) * (FINE / self.reach) if self.reach else np.zeros(bins + 1)
        below = np.interp(edges, np.arange(FINE + 1), summed)
        below[-1] = summed[-1]
        return np.diff(below)
