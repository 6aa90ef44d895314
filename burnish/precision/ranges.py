"""The ranges of a model's tensors, as calibration finds them, and the codes that they make.

A range keeps the numbers from `low` to `high`; what lies outside is clipped to its ends. Codes of signed numbers are
symmetric, i8 of scale max(|low|, |high|) / 127; numbers that are never negative use all of u8, scale high / 255. The
zero point is 0 in both: sums of such codes need no correction, and a GPU's integer products take them as they are.
Asymmetric codes are u8 with the zero point that makes 0 a code: finer steps where one sign reaches much farther.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from burnish.precision.accuracy import Accuracy

SMALLEST = float(np.finfo(np.float32).tiny)  # of a scale: a smaller one is a subnormal number, which counts as 0


@dataclass(frozen=True, slots=True)
class Range:
    """low <= high, both finite."""

    low: float
    high: float
    is_asymmetric: bool = False

    def __post_init__(self) -> None:
        assert math.isfinite(self.low) and math.isfinite(self.high) and self.low <= self.high, self

    @property
    def largest(self) -> float:
        """The largest magnitude."""
        return max(abs(self.low), abs(self.high))

    @property
    def has_negative(self) -> bool:
        return self.low < 0

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest number that a code stands for: what lies outside is clipped."""
        if self.is_asymmetric:
            return min(self.low, 0.0), max(self.high, 0.0)
        return (-self.largest, self.largest) if self.has_negative else (0.0, self.high)

    @property
    def scale(self) -> np.float32:
        """The number that one step of a code stands for."""
        if self.is_asymmetric:
            return np.float32(max((self.ends[1] - self.ends[0]) / 255, SMALLEST))
        return np.float32(max(self.largest / (127 if self.has_negative else 255), SMALLEST))

    @property
    def symmetric(self) -> Range:
        """The same numbers, without a zero point."""
        return replace(self, is_asymmetric=False)

    @property
    def zero(self) -> int:
        """The code of 0."""
        return round(-self.ends[0] / float(self.scale)) if self.is_asymmetric else 0

    @property
    def codes(self) -> np.dtype[np.int8] | np.dtype[np.uint8]:
        return np.dtype(np.int8) if self.has_negative and not self.is_asymmetric else np.dtype(np.uint8)


@dataclass(frozen=True)
class Ranges:
    """tensors: by the name that the tensor has in the optimised graph, which `inspect graph` shows.

    graph:   digest of its products (`quantise/points.py`), "" if the ranges come from elsewhere (a TensorRT cache, a
             caller's own)
    method:  how they were chosen; samples: from how many; notes: what to know about them
    means:   of each channel of a tensor, f32 (correct.py); magnitudes: the largest of each channel, of tensors that
             only depthwise convolutions read: their codes have a scale for each channel
    kept:    names of nodes that stay f32 whatever the ranges say; accuracy: what was measured, if a budget was given
    is_superset: names may be there that no product reads, as in a cache, which has each tensor of the exported model
    """

    tensors: Mapping[str, Range]
    graph: str = ""
    method: str = ""
    samples: int = 0
    notes: tuple[str, ...] = ()
    kept: frozenset[str] = frozenset()
    accuracy: Accuracy | None = None
    means: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    magnitudes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    is_superset: bool = False

    def keep(self, *nodes: str) -> Ranges:
        """These ranges, with more nodes that stay f32."""
        return replace(self, kept=self.kept.union(nodes))
