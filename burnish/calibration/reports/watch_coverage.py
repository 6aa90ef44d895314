"""See more of the tensors than their histograms while samples run: their channels, and how ranges come about."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from burnish.calibration.checkpoint import Tally
from burnish.calibration.histogram import Array, Histogram
from burnish.calibration.reports.channels import Channels
from burnish.calibration.reports.count_channels import channel_counting
from burnish.calibration.thresholds import Folded
from burnish.precision.quantise.points import Point

GROWTH = 2**0.5  # of the number of runs from one mark to the next: 27 marks for 10,000 runs


class Mark(NamedTuple):
    """What was known of each tensor after some samples."""

    samples: int
    tensors: dict[str, Folded]


class Coverage:
    """The channels of each tensor, and marks at numbers of runs that grow by GROWTH."""

    def __init__(self, points: Iterable[Point]) -> None:
        self.channels: dict[str, Channels] = {}
        for point in points:
            self.channels.setdefault(str(point.data.name), Channels(point.channel_axis))
        self.marks: list[Mark] = []
        self._next = 1.0
        channel_counting()  # compiled before several threads need it at the same time

    def see(self, name: str, numbers: Array, counts: Histogram) -> None:
        self.channels[name].add(numbers, counts.reach)

    def end(self, tally: Tally) -> None:
        if tally.runs < self._next:
            return
        while self._next <= tally.runs:
            self._next = max(self._next * GROWTH, self._next + 1)
        self.mark(tally)

    def mark(self, tally: Tally) -> None:
        """Remember what the tally holds, once for a number of samples."""
        if not self.marks or self.marks[-1].samples < tally.samples:
            self.marks.append(Mark(tally.samples, {name: Folded.of(h) for name, h in tally.histograms.items()}))
