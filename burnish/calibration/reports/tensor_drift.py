"""How one tensor differs between two data sets: what the second one clips in the range that the first one gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish.calibration.histogram import Array, Histogram
from burnish.calibration.reports.channels import Channels
from burnish.calibration.reports.tensor_report import percent
from burnish.calibration.thresholds import choose_range
from burnish.precision.ranges import Range

MOST_TOLD = 5  # channels in a text
MUCH = 0.001  # share of a channel's numbers by which the second set clips more than the first: such a channel is told
LITTLE = 0.5  # of a range: a tensor that needs less loses a bit of its codes


@dataclass(frozen=True)
class ChannelDrift:
    """clipped_before, clipped: share of its numbers outside the range, in the first set and in the second.

    factor: its largest magnitude in the second set by that in the first one
    """

    channel: int
    clipped_before: float
    clipped: float
    factor: float


@dataclass(frozen=True)
class TensorDrift:
    """kept: the range that the first set gives; ends: the smallest and the largest number of each set.

    clipped_before, clipped: share of the numbers outside it, in the first set and in the second
    distance: between the distributions, 0 to 1: the share of numbers that would have to move
    """

    name: str
    readers: tuple[str, ...]
    kept: Range
    ends: tuple[float, float]
    other_ends: tuple[float, float]
    clipped_before: float
    clipped: float
    bad: tuple[int, int]
    distance: float
    channels: tuple[ChannelDrift, ...]
    histograms: tuple[Histogram, Histogram] = field(repr=False, compare=False)

    @property
    def excess(self) -> float:
        """By how much more the second set clips: a method such as entropy clips a little of the first one, too."""
        return self.clipped - self.clipped_before

    @property
    def factor(self) -> float:
        """How far the second set reaches, by the end of the range on that side; infinite if the range ends at 0."""
        (low, high), (least, most) = self.kept.ends, self.other_ends
        sides = ((max(most, 0.0), high), (max(-least, 0.0), -low))
        return max((reached / end if end > 0 else float("inf") for reached, end in sides if reached), default=0.0)

    @property
    def told(self) -> str:
        """What needs attention, in a sentence; empty if nothing does."""
        sides = zip(self.bad, ("first", "second"), strict=True)
        bad = (f"of the {which} data {count} are NaN or Inf, and were left out" for count, which in sides if count)
        return "; ".join(filter(None, (self._told_of_range, *bad)))

    @property
    def _told_of_range(self) -> str:
        if self.excess > 0:
            times = (
                "it was always 0" if self.factor == float("inf") else f"it reaches {self.factor:.3g} times the range"
            )
            before = f", {percent(self.clipped_before)} before" if self.clipped_before else ""
            return f"{percent(self.clipped)} of its numbers are clipped{before}; {times}"
        if self.kept.largest and self.factor < LITTLE:
            return f"it fills {percent(self.factor)} of its range: its codes are coarser than they need be"
        return ""

    @property
    def told_channels(self) -> str:
        """The channels that the second set clips more, the worst first, and how much of each."""
        shown = ", ".join(f"{c.channel} ({percent(c.clipped)})" for c in self.channels[:MOST_TOLD])
        return shown + (f" and {len(self.channels) - MOST_TOLD} more" if len(self.channels) > MOST_TOLD else "")

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "tensor": self.name,
            "readers": list(self.readers),
            "range": [self.kept.low, self.kept.high],
            "ends": list(self.ends),
            "other_ends": list(self.other_ends),
            "clipped_before": self.clipped_before,
            "clipped": self.clipped,
            "excess": self.excess,
            "factor": None if self.factor == float("inf") else self.factor,
            "not_finite": list(self.bad),
            "distance": self.distance,
            "channels": [[c.channel, c.clipped_before, c.clipped, c.factor] for c in self.channels],
            "told": self.told,
        }


def drift_of(
    name: str,
    readers: Sequence[str],
    method: str,
    first: tuple[Histogram, Channels],
    second: tuple[Histogram, Channels],
) -> TensorDrift:
    """The range is chosen from the first set's histogram."""
    before, after = first[0], second[0]
    kept = choose_range(before, method)
    return TensorDrift(
        name,
        tuple(readers),
        kept,
        (before.low, before.high),
        (after.low, after.high),
        _clipped(before, kept),
        _clipped(after, kept),
        (before.bad, after.bad),
        distance_of(before, after),
        _channel_drifts(kept, first, second),
        (before, after),
    )


def distance_of(before: Histogram, after: Histogram) -> float:
    """Half of the sum of the differences between both distributions; 0 is a value of its own."""
    shares = []
    reach = max(before.reach, after.reach)
    for found in (before, after):
        wide = Histogram(found.counts.copy(), found.reach)
        if reach:
            wide.reach_to(reach)
        finite = max(found.count - found.bad, 1)
        shares.append(np.append(wide.counts.reshape(-1, 64).sum(1), found.zeros) / finite)
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _clipped(found: Histogram, kept: Range) -> float:
    return sum(found.outside(kept)) / max(found.count - found.bad, 1)


def _channel_drifts(
    kept: Range, first: tuple[Histogram, Channels], second: tuple[Histogram, Channels]
) -> tuple[ChannelDrift, ...]:
    """The channels that the second set clips more, the worst first."""
    shares, largest = list[Array](), list[Array]()
    for found, channels in (first, second):
        finite = np.maximum(channels.counts[:-1].sum(1), 1)
        shares.append(channels.clipped(kept, found) / finite)
        largest.append(np.where(channels.low <= channels.high, np.maximum(-channels.low, channels.high), 0.0))
    factors = largest[1] / np.where(largest[0] > 0, largest[0], np.inf)
    excess = shares[1] - shares[0]
    return tuple(
        ChannelDrift(int(c), float(shares[0][c]), float(shares[1][c]), float(factors[c]))
        for c in np.argsort(-excess)
        if excess[c] > MUCH
    )
