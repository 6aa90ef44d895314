"""Codes of weights: the error bound, and odd channels."""

from __future__ import annotations

import numpy as np

from burnish.precision.quantise.weights import quantise_weight


def test_no_weight_is_off_by_more_than_half_a_scale_of_its_channel() -> None:
    weight = np.random.default_rng(0).standard_normal((5, 7, 3)).astype(np.float32)
    for axis in range(3):
        codes, scales = quantise_weight(weight, axis)
        shape = [-1 if a == axis else 1 for a in range(3)]
        off = np.abs(codes * scales.reshape(shape).astype(np.float64) - weight)
        assert (off <= scales.reshape(shape) * 0.5000001).all()
        assert codes.dtype == np.int8 and np.abs(codes).max() == 127


def test_a_channel_of_zeros_and_one_of_subnormal_numbers_have_codes_of_zero() -> None:
    weight = np.array([[0, 0], [1e-40, -1e-40], [1, -2]], np.float32)
    codes, scales = quantise_weight(weight, 0)
    assert codes[:2].tolist() == [[0, 0], [0, 0]] and scales[0] == 1 and scales[1] >= np.finfo(np.float32).tiny
    assert codes[2].tolist() == [64, -127]
