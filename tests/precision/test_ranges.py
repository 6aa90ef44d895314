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


@pytest.mark.parametrize(("low", "high"), [(-0.28, 6.0), (-3.0, 1.0), (-5.0, -1.0), (0.5, 2.0), (-2.0, 2.0)])
def test_asymmetric_codes_are_those_of_onnx_runtimes_quantiser(low: float, high: float) -> None:
    found = Range(low, high, is_asymmetric=True)
    least, most = min(low, 0.0), max(high, 0.0)  # compute_scale_zp of onnxruntime/quantization/quant_utils.py
    scale = np.float32((np.float64(most) - least) / 255)
    assert found.scale == scale and found.codes == np.uint8 and found.ends == (least, most)
    assert found.zero == round(float(0 - least / np.float64(scale)))


def test_symmetric_codes_have_the_zero_point_0() -> None:
    assert Range(-1.0, 3.0).zero == Range(0.0, 3.0).zero == Range(-1.0, 3.0, True).symmetric.zero == 0
