"""codes.py: what a range becomes in 8 bits."""

from __future__ import annotations

import ml_dtypes
import numpy as np

from burnish.precision.codes import codes_of
from burnish.precision.ranges import SMALLEST, Range


def test_the_largest_magnitude_becomes_the_largest_float8() -> None:
    for found in (Range(-3.0, 7.0), Range(-7.0, 3.0), Range(0.0, 7.0), Range(-7.0, 3.0, True)):
        codes = codes_of(found, "fp8")
        assert codes.dtype == ml_dtypes.float8_e4m3fn and codes.zero == 0 and codes.scale == np.float32(7 / 448)
    assert codes_of(Range(-3.0, 7.0), "int8").scale == np.float32(7 / 127)


def test_a_tensor_of_zeros_has_a_scale() -> None:
    assert codes_of(Range(0.0, 0.0), "fp8").scale == 1
    assert codes_of(Range(0.0, 1e-40), "fp8").scale == np.float32(SMALLEST)
