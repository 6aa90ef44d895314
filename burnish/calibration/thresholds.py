"""Choose the largest magnitude that codes keep, from a tensor's histogram. What is larger is clipped.

    entropy      the clip whose codes say most like the numbers: least Kullback-Leibler divergence, of the clips whose
                 expected squared error is at most a tenth above the least
    mse          least expected squared error, of clipping and of rounding together
    percentile   a share of the numbers stays inside: percentile:99.9
    minmax       nothing is clipped

All see magnitudes, without exact zeros, which cost nothing whatever the scale. A tensor that is never negative has 255
steps, others 127; asymmetric codes have 255 for both signs together. The steps of float8 grow with the number, so a
clip gains little there: minmax is its default, mse knows its steps, and entropy takes the clip of equal steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from burnish.calibration.histogram import BINS, Array, Histogram
from burnish.errors import UserError
from burnish.ops.quantize import FLOAT8_MOST
from burnish.precision.ranges import Range
from burnish.precision.words import FP8, INT8

PERCENTILE = 99.99
FLOAT8_STRIDE = 8  # bins between the ends that are tried for float8, whose errors change slowly
ASYMMETRIC = "asymmetric"
DEFAULTS = {INT8: "entropy", FP8: "minmax"}
SLACK = 1.1  # of the least squared error: divergence alone counts how many numbers are clipped, not how far
NONE = 1e-4  # the count that Q has where it has none and P has some: such a clip is dear, not impossible


class Method(NamedTuple):
    """percentile: of that method; is_asymmetric: signed tensors become u8 with a zero point"""

    name: str
    percentile: float
    is_asymmetric: bool


def parse_method(word: str, kind: str = INT8) -> Method:
    """From `entropy`, `percentile`, `percentile:99.9` or `minmax+asymmetric`.

    kind:   of the codes
    raises: E723 for another word, and for asymmetric float8
    """
    method, plus, symmetry = word.partition("+") if isinstance(word, str) else ("", "", "")
    name, given, text = method.partition(":")
    try:
        share = float(text) if given else PERCENTILE
    except ValueError:
        share = math.nan
    is_known = name in NAMES and 50 <= share <= 100 and (not given or name == "percentile")
    if not is_known or (plus and symmetry != ASYMMETRIC):
        why = f"there are {', '.join(NAMES)}, each with +{ASYMMETRIC} or without; percentile takes 50 to 100"
        raise UserError("E723", f"there is no calibration method '{word}'", why=why, hint="percentile:99.9, for one")
    if plus and kind == FP8:
        why, hint = "a float8 has a sign, and no zero point", f"leave +{ASYMMETRIC} out"
        raise UserError("E723", f"the calibration method '{word}' makes no float8", why=why, hint=hint)
    return Method(name, share, bool(plus))


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


def choose_range(found: Histogram | Folded, method: str, kind: str = INT8) -> Range:
    """The range of a tensor, for codes of a kind. A tensor without any number but 0 gets the range 0 to 0. E723."""
    name, percentile, is_asymmetric = parse_method(method, kind)
    low, high, counts = Folded.of(found) if isinstance(found, Histogram) else found
    largest = max(abs(low), abs(high))
    if not largest:
        return Range(0.0, 0.0)
    if name == "minmax":
        most = largest
    elif name == "percentile":
        most = _percentile(counts, percentile) * largest
    elif (name, kind) == ("mse", FP8):
        most = mse_of_float8(counts) * largest
    else:
        most = METHODS[name](counts, _steps(low, high, len(counts), is_asymmetric)) * largest
    most = max(most, low, -high)  # of a tensor away from 0, the number that is nearest to it stays inside
    return Range(max(low, -most), min(high, most), is_asymmetric and low < 0)


def _steps(low: float, high: float, bins: int, is_asymmetric: bool) -> Array:
    """How many lie between 0 and the magnitude that is kept, where that is the end of the 1st, 2nd ... bin."""
    if low >= 0 or not is_asymmetric:
        return np.full(bins, 127.0 if low < 0 else 255.0)
    most: Array = (np.arange(bins) + 1) / bins * max(-low, high)
    span: Array = np.minimum(max(high, 0.0), most) + np.minimum(-low, most)
    return np.asarray(255 * most / span)


def entropy(counts: Array, steps: Array | int) -> float:
    """The share of the range to keep, by least divergence; candidates end in the middle of a bin.

    Those whose squared error is more than SLACK times the least one of a candidate are left out: the few large numbers
    of a detector's last layers are what it finds, and divergence alone would cut them to a fifth.

    Of each candidate of i bins, P is its counts, with all that lies outside added to the last; Q is the counts in
    steps + 1 groups of bins (those of the whole range), each shared out over those of its bins that are not empty in P.
    """
    levels = int(np.max(steps)) + 1
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
    kept = np.where(ends == len(counts), 1.0, (ends + 0.5) / len(counts))
    errors = _squared_errors(counts, np.broadcast_to(steps, len(counts))[ends - 1], kept)
    divergence[~np.isfinite(divergence)] = np.finfo(np.float64).max
    divergence[errors > SLACK * errors.min()] = np.inf
    return float(kept[int(np.argmin(divergence))])


def mse(counts: Array, steps: Array | int) -> float:
    """The share of the range to keep, by least expected squared error."""
    kept = (np.arange(len(counts)) + 1) / len(counts)
    return float(kept[int(np.argmin(_squared_errors(counts, steps, kept)))])


def _squared_errors(counts: Array, steps: Array | int, kept: Array) -> Array:
    """The squared errors in sum, of clipping and rounding, for each share that is kept; a bin counts as its middle.

    steps: between 0 and that share
    """
    middles = (np.arange(len(counts)) + 0.5) / len(counts)
    first = np.searchsorted(middles, kept, "right")  # of the bins that are clipped
    sums = [np.concatenate([[0.0], np.cumsum(counts * middles**p)]) for p in (0, 1, 2)]
    inside, above = sums[0][first], [total[-1] - total[first] for total in sums]
    clipped = above[2] - 2 * kept * above[1] + kept**2 * above[0]
    found: Array = np.maximum(clipped, 0) + inside * (kept / steps) ** 2 / 12
    return found


def mse_of_float8(counts: Array) -> float:
    """As `mse`, for e4m3 whose largest number, 448, is the end of the range: an eighth of the number's power of two.

    A scale that is twice as large gives the same codes, one exponent lower: only clips and the smallest numbers change.
    """
    bins = len(counts)
    filled = np.flatnonzero(counts)
    middles, held = (filled + 0.5) / bins, counts[filled]
    best, least = 1.0, math.inf
    for end in range(bins, bins // 256, -FLOAT8_STRIDE):
        kept = end / bins
        scaled = np.minimum(middles / kept, 1.0) * FLOAT8_MOST
        step = np.exp2(np.maximum(np.frexp(scaled)[1] - 1, -6) - 3) * (kept / FLOAT8_MOST)
        error = np.where(middles > kept, (middles - kept) ** 2, step**2 / 12)
        if (total := float((held * error).sum())) < least:
            best, least = kept, total
    return best


def _percentile(counts: Array, percentile: float) -> float:
    """The share of the range below which that many percent of the numbers lie."""
    below = np.cumsum(counts)
    return float(np.searchsorted(below, below[-1] * percentile / 100) + 1) / len(counts) if below[-1] else 1.0


def _x_log_x(x: Array) -> Array:
    return np.where(x > 0, x * np.log(np.where(x > 0, x, 1.0)), 0.0)


METHODS: dict[str, Callable[[Array, Array | int], float]] = {"entropy": entropy, "mse": mse}
NAMES = ("entropy", "minmax", "percentile", "mse")
assert BINS > 256, "entropy needs more bins than codes"
