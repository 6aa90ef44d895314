"""The mean of each channel of a tensor, and its ends where a product has a scale for each channel.

Means tell how far rounded weights move a product's sums (precision/quantise/correct.py); the data of a depthwise
convolution get a scale for each channel. One pass of numpy over the tensor, three with ends; 16 bytes a channel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


@dataclass(eq=False)
class ChannelSums:
    """axis: the one that counts channels; count: the numbers of each channel.

    sums: f64 by channel; ends: f32[2, channels], low and high, if has_ends. A channel that held a NaN has NaN there.
    """

    axis: int
    has_ends: bool = False
    count: int = 0
    sums: Array = field(default_factory=lambda: np.zeros(0))
    ends: Array = field(default_factory=lambda: np.zeros((2, 0), np.float32))

    def add(self, numbers: Array) -> None:
        """Count an f32 tensor; its number of channels is that of the ones before."""
        x = np.asarray(numbers, np.float32)
        axis = self.axis % x.ndim
        size, inner = x.shape[axis], math.prod(x.shape[axis + 1 :])
        x = x.reshape(-1, size, inner)
        if not self.count:
            self.sums = np.zeros(size)
            self.ends = np.repeat(np.array([[np.inf], [-np.inf]], np.float32), size, 1)
        self.count += len(x) * inner
        with np.errstate(invalid="ignore", over="ignore"):
            self.sums += x.sum(2).sum(0, dtype=np.float64) if inner > 1 else x[..., 0].sum(0, dtype=np.float64)
            if self.has_ends:
                self.ends[0] = np.minimum(self.ends[0], x.min((0, 2)))
                self.ends[1] = np.maximum(self.ends[1], x.max((0, 2)))

    @property
    def means(self) -> Array | None:
        """f32 by channel; None if nothing was counted, or some number was not finite."""
        if not self.count or not np.isfinite(self.sums).all():
            return None
        found: Array = (self.sums / self.count).astype(np.float32)
        return found

    @property
    def magnitudes(self) -> Array | None:
        """The largest of each channel, f32; None without ends, or if some number was not finite."""
        if not self.count or not self.has_ends or not np.isfinite(self.ends).all():
            return None
        found: Array = np.abs(self.ends).max(0)
        return found
