"""The numbers of each channel of a tensor, over many samples: their ends, and how many lie beyond a limit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from burnish.calibration.histogram import SHORTEST, Histogram
from burnish.calibration.reports.count_channels import BINS, HALF, OCTAVES, PARTS, channel_counting
from burnish.precision.ranges import Range

Array = np.ndarray[Any, Any]


class Channels:
    """Counts of a tensor's channels in narrow bins. The order of the samples does not matter.

    axis: the one that counts channels; count: the numbers of one channel; low, high: by channel, inf and -inf without a
    finite number. Memory: 520 bytes a channel.
    """

    def __init__(self, axis: int) -> None:
        self.axis, self.count = axis, 0
        self.ends = np.zeros((2, 0), np.float32)
        self.counts = np.zeros((0, BINS), np.int64)
        self._octave = round(math.log2(SHORTEST))

    @property
    def size(self) -> int:
        return int(self.ends.shape[1])

    @property
    def low(self) -> Array:
        found: Array = self.ends[0]
        return found

    @property
    def high(self) -> Array:
        found: Array = self.ends[1]
        return found

    def add(self, numbers: Array, reach: float) -> None:
        """Count an f32 tensor. reach: a power of two that no magnitude exceeds, as the tensor's histogram has it"""
        x = np.ascontiguousarray(numbers, np.float32)
        axis = self.axis % x.ndim
        if not self.size:
            self.ends = np.repeat(np.array([[np.inf], [-np.inf]], np.float32), x.shape[axis], 1)
            self.counts = np.zeros((x.shape[axis] + 1, BINS), np.int64)
        outer, inner = math.prod(x.shape[:axis]), math.prod(x.shape[axis + 1 :])
        self._reach(round(math.log2(reach)) if reach else self._octave)
        channel_counting().count(x.reshape(outer, self.size, inner), self._octave, self.ends, self.counts)
        self.count += outer * inner

    def _reach(self, octave: int) -> None:
        """Let the bins end at a higher power of two: what becomes too small joins the first bin."""
        steps = min((octave - self._octave) * PARTS, HALF)
        if steps <= 0:
            return
        old = self.counts.reshape(-1, 2, HALF)
        new = np.zeros_like(old)
        new[..., : HALF - steps] = old[..., steps:]
        new[..., 0] += old[..., :steps].sum(-1)
        self.counts, self._octave = new.reshape(-1, BINS), octave

    def clipped(self, kept: Range, whole: Histogram) -> Array:
        """How many numbers of each channel a range's codes clip, as f64.

        The bin that an end cuts is shared out alike in all channels, so that the sum is that of the tensor's histogram,
        whose bins are much narrower.
        """
        (below, above), (low, high) = whole.outside(kept), kept.ends
        positive, negative = self.counts[:-1, :HALF], self.counts[:-1, HALF:]
        over = self._beyond(positive, high, self.high, above)
        return over + self._beyond(negative, -low, -self.low, below)

    def _beyond(self, counts: Array, limit: float, largest: Array, total: float) -> Array:
        """counts: of magnitudes on one side; total: how many of them are beyond the limit, in all channels together"""
        cut = int(np.searchsorted(self._edges(), limit, side="right")) - 1
        surely: Array = counts[:, cut + 1 :].sum(1).astype(np.float64)
        partly = np.where(largest > limit, counts[:, min(cut, HALF - 1)] if cut < HALF else 0, 0)
        if not partly.sum():
            return surely
        surely += partly * min(max((total - surely.sum()) / partly.sum(), 0.0), 1.0)
        return surely

    def _edges(self) -> Array:
        """Where the bins of magnitudes begin, HALF of them, and the end of the last."""
        steps = np.arange(HALF + 1)
        edges: Array = np.exp2(steps // PARTS + (self._octave - OCTAVES)) * (1 + steps % PARTS / PARTS)
        edges[0], edges[-1] = 0.0, np.inf
        return edges
