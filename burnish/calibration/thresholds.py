"""Choose the largest magnitude that codes keep, from a tensor's histogram. What is larger is clipped.

    entropy      the clip whose codes say most like the numbers: least Kullback-Leibler divergence
    mse          least expected squared error, of clipping and of rounding together
    percentile   a share of the numbers stays inside: percentile:99.9
    minmax       nothing is clipped

All see magnitudes, without exact zeros, which cost nothing whatever the scale. A tensor that is never negative has 255
steps, others 127.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from burnish.calibration.histogram import BINS, Array, Histogram
from burnish.errors import UserError
from burnish.precision.ranges import Range

PERCENTILE = 99.99
NONE = 1e-4  # the count that Q has where it has none and P has some: such a clip is dear, not impossible


def parse_method(word: str) -> tuple[str, float]:
    """A method and its percentile, from `entropy`, `percentile` or `percentile:99.9`. E723 for another word."""
    name, given, text = word.partition(":") if isinstance(word, str) else ("", "", "")
    try:
        share = float(text) if given else PERCENTILE
    except ValueError:
        share = math.nan
    if name not in NAMES or not 50 <= share <= 100 or (given and name != "percentile"):
        why = f"there are {', '.join(NAMES)}; percentile takes a number from 50 to 100"
        raise UserError("E723", f"there is no calibration method '{word}'", why=why, hint="percentile:99.9, for one")
    return name, share


class Folded(NamedTuple):
    """What a range is chosen from: a tensor's ends, and the counts of its magnitudes up to the largest one."""

    low: float
    high: float
    counts: Array

    @classmethod
    def of(cls, found: Histogram) -> Folded:
        """A tensor without a finite number ends at 0."""
        is_empty = found.count == found.bad
        return cls(0.0 if is_empty else found.low, 0.0 if is_empty else found.high, found.folded())

    @property
    def largest(self) -> float:
        return max(abs(self.low), abs(self.high))


def choose_range(found: Histogram | Folded, method: str) -> Range:
    """The range of a tensor. A tensor without any number but 0 gets the range 0 to 0. E723 for an unknown method."""
    name, percentile = parse_method(method)
    low, high, counts = Folded.of(found) if isinstance(found, Histogram) else found
    largest = max(abs(low), abs(high))
    if not largest:
        return Range(0.0, 0.0)
    if name == "minmax":
        most = largest
    elif name == "percentile":
        most = _percentile(counts, percentile) * largest
    else:
        most = METHODS[name](counts, 127 if low < 0 else 255) * largest
    return Range(max(low, -most), min(high, most))


def entropy(counts: Array, steps: int) -> float:
    """The share of the range to keep, by least divergence; candidates end in the middle of a bin.

    Of each candidate of i bins, P is its counts, with all that lies outside added to the last; Q is the counts in
    `steps` + 1 groups of bins, each shared out over those of its bins that are not empty in P.
    """
    levels = steps + 1
    ends = np.arange(levels, len(counts) + 1)
    total = counts.sum()
    inside = np.concatenate([[0.0], np.cumsum(counts)])
    filled = np.concatenate([[0], np.cumsum(counts > 0)])
    content = np.concatenate([[0.0], np.cumsum(_x_log_x(counts))])
    outside = total - inside[ends]
    last = counts[ends - 1]
    edges = ends[:, None] * np.arange(levels + 1) // levels
    q_sums = np.diff(inside[edges], axis=1)
    p_sums = q_sums.copy()
    p_sums[:, -1] += outside
    q_sums[:, -1] = np.where((q_sums[:, -1] == 0) & (outside > 0), NONE, q_sums[:, -1])
    places = np.diff(filled[edges], axis=1)
    places[:, -1] += (last == 0) & (outside > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        heights = np.log(q_sums / places / inside[ends][:, None])
        cross = np.where(p_sums > 0, p_sums * heights, 0.0).sum(1)
    own = content[ends] - _x_log_x(last) + _x_log_x(last + outside)
    divergence = (own - cross) / total - np.log(total)
    divergence[~np.isfinite(divergence)] = np.inf
    best = int(ends[int(np.argmin(divergence))])
    return 1.0 if best == len(counts) else (best + 0.5) / len(counts)


def mse(counts: Array, steps: int) -> float:
    """The share of the range to keep, by least expected squared error; each bin counts as its middle."""
    middles = (np.arange(len(counts)) + 0.5) / len(counts)
    kept = (np.arange(len(counts)) + 1) / len(counts)
    above = [np.cumsum((counts * middles**p)[::-1])[::-1] - counts * middles**p for p in (0, 1, 2)]
    clipped = above[2] - 2 * kept * above[1] + kept**2 * above[0]
    rounded = np.cumsum(counts) * (kept / steps) ** 2 / 12
    return float(kept[int(np.argmin(clipped + rounded))])


def _percentile(counts: Array, percentile: float) -> float:
    """The share of the range below which that many percent of the numbers lie."""
    below = np.cumsum(counts)
    return float(np.searchsorted(below, below[-1] * percentile / 100) + 1) / len(counts) if below[-1] else 1.0


def _x_log_x(x: Array) -> Array:
    return np.where(x > 0, x * np.log(np.where(x > 0, x, 1.0)), 0.0)


METHODS: dict[str, Callable[[Array, int], float]] = {"entropy": entropy, "mse": mse}
NAMES = ("entropy", "minmax", "percentile", "mse")
assert BINS > 256, "entropy needs more bins than codes"
