"""Scales of ranges."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.precision.ranges import Range


@pytest.mark.parametrize(
    ("low", "high", "codes", "scale"),
    [(-2.0, 1.0, np.int8, 2 / 127), (0.0, 5.1, np.uint8, 5.1 / 255), (-1.0, -0.5, np.int8, 1 / 127)],
)
def test_signed_numbers_are_symmetric_and_others_use_all_codes(
    low: float, high: float, codes: type, scale: float
) -> None:
    found = Range(low, high)
    assert found.codes == codes and found.scale == np.float32(scale)


def test_the_range_of_zeros_has_a_scale_that_is_a_normal_number() -> None:
    assert Range(0.0, 0.0).scale >= np.finfo(np.float32).tiny
