"""What samples say about one tensor: its range and what it clips, when it had settled, and which channels stand out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish.calibration.counting import FINE
from burnish.calibration.histogram import Array, Histogram
from burnish.calibration.reports.channels import Channels
from burnish.calibration.reports.watch_coverage import Mark
from burnish.calibration.thresholds import choose_range
from burnish.precision.ranges import Range

MOVED = 0.01  # of a range: what moves less has settled
MUCH = 0.01  # share of a channel's numbers: a channel of which more is clipped is told
OUTLIER = 8.0  # times the median channel's largest magnitude
MOST, FEW = 0.9, 16  # fewer codes for so large a share of the numbers are told
MOST_TOLD = 10  # channels of one kind in JSON and in texts


@dataclass(frozen=True)
class Step:
    """The largest magnitude after some samples, and the one that the range kept (None: not worked out)."""

    samples: int
    largest: float
    kept: float | None


@dataclass(frozen=True)
class ChannelFact:
    """factor: the channel's largest magnitude by the range's, of a clipped one; by the median channel's, of an outlier.

    share: of its numbers that are clipped
    """

    channel: int
    factor: float
    share: float


@dataclass(frozen=True)
class Finding:
    """What needs attention. weight: the largest come first"""

    kind: str
    weight: float
    text: str


@dataclass(frozen=True)
class TensorReport:
    """readers: the products that read it; low, high: of all its finite numbers, of which there are count - bad.

    clipped: share of them outside `kept`; codes: the fewest that hold nine tenths of those that are not 0
    settled: the number of samples since which the range has moved by less than MOVED
    dead: channels that hold one number in all samples; outliers, clipping: the farthest first
    """

    name: str
    readers: tuple[str, ...]
    low: float
    high: float
    kept: Range
    count: int
    zeros: int
    bad: int
    clipped: float
    codes: int
    samples: int
    settled: int
    steps: tuple[Step, ...]
    channels: int
    dead: tuple[int, ...]
    outliers: tuple[ChannelFact, ...]
    clipping: tuple[ChannelFact, ...]
    histogram: Histogram = field(repr=False, compare=False)

    @property
    def is_settled(self) -> bool:
        """Had it settled by half of the samples? Later, nothing says that more samples would not move it."""
        return 2 * self.settled <= self.samples

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What needs attention, the gravest first."""
        return tuple(sorted(_findings(self), key=lambda found: -found.weight))

    def as_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "tensor": self.name,
            "readers": list(self.readers),
            "low": self.low,
            "high": self.high,
            "range": [self.kept.low, self.kept.high],
            "codes": str(self.kept.codes),
            "scale": float(self.kept.scale),
            "zero": self.kept.zero,
            "numbers": self.count,
            "zeros": self.zeros,
            "not_finite": self.bad,
            "clipped": self.clipped,
            "codes_in_use": self.codes,
            "settled_after": self.settled,
            "is_settled": self.is_settled,
            "coverage": [[s.samples, s.largest, s.kept] for s in self.steps],
            "channels": self.channels,
            "dead_channels": list(self.dead),
            "outlier_channels": [[c.channel, c.factor] for c in self.outliers],
            "clipping_channels": [[c.channel, c.share, c.factor] for c in self.clipping],
            "findings": [found.text for found in self.findings],
        }


def report_tensor(
    name: str, readers: Sequence[str], found: Histogram, channels: Channels, marks: Sequence[Mark], method: str
) -> TensorReport:
    """marks: the last one holds all samples"""
    kept = choose_range(marks[-1].tensors[name], method)
    settled, steps = _coverage(name, kept, marks, method)
    finite = found.count - found.bad
    largest = np.where(channels.low <= channels.high, np.maximum(-channels.low, channels.high), 0.0)
    dead = np.flatnonzero(channels.low >= channels.high) if channels.count > 1 else np.zeros(0, int)
    return TensorReport(
        name,
        tuple(readers),
        marks[-1].tensors[name].low,
        marks[-1].tensors[name].high,
        kept,
        found.count,
        found.zeros,
        found.bad,
        sum(found.outside(kept)) / finite if finite else 0.0,
        codes_in_use(found, kept),
        marks[-1].samples,
        settled,
        steps,
        channels.size,
        tuple(map(int, dead)),
        outlier_channels(largest),
        clipping_channels(kept, found, channels, largest),
        found,
    )


def outlier_channels(largest: Array) -> tuple[ChannelFact, ...]:
    """Channels whose largest magnitude is OUTLIER times that of the median channel that is not always 0."""
    alive = largest[largest > 0]
    if alive.size < 3:
        return ()
    factors = largest / np.median(alive)
    return tuple(ChannelFact(int(c), float(factors[c]), 0.0) for c in np.argsort(-factors) if factors[c] >= OUTLIER)


def clipping_channels(kept: Range, found: Histogram, channels: Channels, largest: Array) -> tuple[ChannelFact, ...]:
    """Channels of which more than MUCH is outside a range."""
    if not channels.count or not kept.largest:
        return ()
    shares = channels.clipped(kept, found) / np.maximum(channels.counts[:-1].sum(1), 1)
    factors = largest / kept.largest
    return tuple(
        ChannelFact(int(c), float(factors[c]), float(shares[c])) for c in np.argsort(-shares) if shares[c] > MUCH
    )


def codes_in_use(found: Histogram, kept: Range) -> int:
    """The fewest codes that together hold nine tenths of the numbers that are not 0."""
    if not found.reach:
        return 0
    middles = (np.arange(-FINE, FINE) + 0.5) * (found.reach / FINE)
    limits = np.iinfo(kept.codes)
    codes = np.clip(np.rint(middles / kept.scale) + kept.zero, limits.min, limits.max).astype(np.int64) - limits.min
    held = np.sort(np.bincount(codes, found.counts))[::-1].cumsum()
    return int(np.searchsorted(held, held[-1] * MOST) + 1)


def _coverage(name: str, kept: Range, marks: Sequence[Mark], method: str) -> tuple[int, tuple[Step, ...]]:
    """Since how many samples the range has stayed within MOVED of the last one, and its way there.

    The way back ends at the first mark that lies outside, since an entropy takes as long as a run of a small model.
    """
    steps, settled, is_inside = list[Step](), marks[-1].samples, True
    for mark in reversed(marks):
        own = None
        if is_inside:
            own = kept.largest if mark is marks[-1] else choose_range(mark.tensors[name], method).largest
            is_inside = abs(own - kept.largest) <= MOVED * kept.largest
            settled = mark.samples if is_inside else settled
        steps.append(Step(mark.samples, mark.tensors[name].largest, own))
    return settled, tuple(reversed(steps))


def _findings(t: TensorReport) -> list[Finding]:
    found = []
    if t.bad:
        found.append(Finding("not finite", 4.0, f"{t.bad} numbers are NaN or Inf; they were left out"))
    if not t.kept.largest:
        found.append(Finding("dead", 2.0, "it was 0 in every sample"))
    if not t.is_settled:
        text = f"its range still moved at sample {t.settled} of {t.samples}: more samples may move it further"
        found.append(Finding("not settled", 2 + t.settled / t.samples, text))
    if t.outliers:
        worst = t.outliers[0]
        text = f"{_channels(t.outliers)} above {OUTLIER:g} times the median one, the largest {worst.factor:.3g} times"
        found.append(Finding("outlier channels", 1 + float(np.log10(worst.factor)), text))
    if t.clipping:
        worst = t.clipping[0]
        text = f"{_channels(t.clipping)} clipped by more than {percent(MUCH)}, the worst by {percent(worst.share)}"
        found.append(Finding("clipped channels", 1 + worst.share, text))
    if t.clipped > MUCH:
        found.append(Finding("clipped", 1 + 10 * t.clipped, f"{percent(t.clipped)} of its numbers are clipped"))
    if t.kept.largest and t.codes < FEW:
        text = f"{t.codes} codes hold {percent(MOST)} of its numbers that are not 0: little of the range is in use"
        found.append(Finding("few codes", 1.5, text))
    if t.dead and t.kept.largest:
        text = f"{len(t.dead)} of {t.channels} channels hold one number in all samples"
        found.append(Finding("dead channels", 0.5 + len(t.dead) / t.channels, text))
    return found


def _channels(facts: Sequence[ChannelFact]) -> str:
    """How many, and which."""
    shown = ", ".join(str(fact.channel) for fact in facts[:MOST_TOLD])
    more = ", ..." if len(facts) > MOST_TOLD else ""
    return f"{len(facts)} channel{'s' if len(facts) > 1 else ''} ({shown}{more})"


def percent(share: float) -> str:
    """3.2 %, 0.04 %; a share that is not 0 never reads as 0."""
    return "0 %" if not share else f"{100 * share:.3g} %" if share >= 1e-5 else "< 0.001 %"
