"""What a number of a known range becomes in 8 bits: an integer in equal steps, or a float8 (e4m3).

int8   i8 of scale amax / 127, or u8 of scale high / 255 for what is never negative; asymmetric: u8 and a zero point
fp8    e4m3 of scale amax / 448, which has no zero point and always a sign: 3 bits of mantissa down to amax / 28672
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from burnish.ops.quantize import FLOAT8_MOST
from burnish.precision.ranges import SMALLEST, Range
from burnish.precision.words import FP8

FLOAT8 = np.dtype(ml_dtypes.float8_e4m3fn)


@dataclass(frozen=True, slots=True)
class Codes:
    """number = (code - zero) * scale"""

    dtype: np.dtype[Any]
    scale: np.float32
    zero: int = 0

    @property
    def words(self) -> str:
        """For people."""
        name = "float8" if self.dtype == FLOAT8 else str(self.dtype)
        return f"{name} of scale {self.scale:.4g}{f', zero point {self.zero}' if self.zero else ''}"


def codes_of(found: Range, kind: str) -> Codes:
    """The codes of a tensor of a range. kind: int8 or fp8 (words.py)"""
    if kind == FP8:
        return Codes(FLOAT8, float8_scale(found.largest))
    return Codes(found.codes, found.scale, found.zero)


def float8_scale(largest: float) -> np.float32:
    """The scale by which the largest magnitude becomes the largest float8; 1 where there is nothing but 0."""
    return np.float32(max(largest / FLOAT8_MOST, SMALLEST)) if largest else np.float32(1)
