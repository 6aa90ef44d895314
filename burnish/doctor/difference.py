"""How far two tensors are apart, summed up over samples: as a whole, and for each channel.

A tensor's error is the root mean square of the differences over that of the exact numbers. One channel of huge numbers
hides there what became of the others, so the median over the channels counts too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]
FEW = 4  # channels whose median says nothing
GONE = 0.95  # the error of a channel of which nothing is left
LEAST = 0.05  # the size of a channel that would be missed, as a share of the usual one's


class Difference:
    """axis: the one that counts channels. Numbers that are NaN or infinite on both sides alike do not count."""

    def __init__(self, axis: int) -> None:
        self.axis = axis
        self.squares: Array | None = None  # of the differences, by channel
        self.exact: Array = np.zeros(0)  # squares of the exact numbers
        self.count = self.bad = self.bad_exact = 0  # numbers; those that are not finite here alone; there
        self.worst = 0.0

    def add(self, found: Array, exact: Array) -> None:
        """One more sample."""
        both = np.isfinite(found) & np.isfinite(exact)
        same = both | (found == exact) | (np.isnan(found) & np.isnan(exact))
        with np.errstate(invalid="ignore", over="ignore"):
            apart = np.where(both, found.astype(np.float64) - exact, 0.0)
        squares, own = by_channel(apart**2, self.axis), by_channel(np.where(both, exact, 0.0) ** 2, self.axis)
        if self.squares is None or self.squares.shape != squares.shape:
            self.squares, self.exact = squares, own
        else:
            self.squares, self.exact = self.squares + squares, self.exact + own
        self.count += found.size
        self.bad += int(found.size - np.count_nonzero(same))
        self.bad_exact += int(found.size - np.count_nonzero(np.isfinite(exact)))
        self.worst = max(self.worst, float(np.abs(apart).max(initial=0.0)))

    @property
    def whole(self) -> float:
        """The error of the tensor as a whole; infinite if a number is finite on one side only."""
        return float("inf") if self.bad else _ratio(self.total, float(self.exact.sum()))

    @property
    def channels(self) -> Array:
        """The error of each channel that is not all zeros."""
        if self.squares is None:
            return np.zeros(0)
        live = self.exact > 0
        return np.asarray(np.sqrt(self.squares[live] / self.exact[live]))

    @property
    def lost(self) -> int:
        """The channels of which nothing is left, if they are few and were no smaller than channels usually are."""
        if self.squares is None or len(self.squares) < FEW:
            return 0
        usual = float(np.median(self.exact[self.exact > 0])) if (self.exact > 0).any() else 0.0
        gone = (self.squares >= GONE**2 * self.exact) & (self.exact > LEAST**2 * usual) & (self.exact > 0)
        count = int(np.count_nonzero(gone))
        return count if 2 * count <= len(gone) else 0

    @property
    def total(self) -> float:
        """The sum of the squared differences."""
        return 0.0 if self.squares is None else float(self.squares.sum())

    @property
    def error(self) -> float:
        """The larger one of the whole tensor's and the usual channel's."""
        own = self.channels
        return max(self.whole, float(np.median(own))) if len(own) >= FEW else self.whole


def by_channel(array: Array, axis: int) -> Array:
    """Sums over all axes but one."""
    if not array.ndim:
        return np.asarray(array, np.float64).reshape(1)
    axis %= array.ndim
    return np.asarray(array.sum(tuple(a for a in range(array.ndim) if a != axis)), np.float64)


def _ratio(squares: float, exact: float) -> float:
    return float(np.sqrt(squares / exact)) if exact else float("inf") if squares else 0.0
