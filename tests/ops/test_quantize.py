from __future__ import annotations

import numpy as np
import pytest

from .onnx_node import assert_same, onnxruntime, ours


def f32(*values):
    return np.asarray(values, np.float32)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8])
def test_rounds_half_to_even_and_saturates(dtype):
    x = f32(-1e9, -2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 1e9)
    assert_same("QuantizeLinear", [x, f32(1).reshape(()), np.asarray(3, dtype)], oracle=onnxruntime)


def test_scales_along_an_axis():
    x = np.linspace(-3, 3, 12, dtype=np.float32).reshape(2, 3, 2)
    scale, zero = f32(0.1, 0.2, 0.3), np.asarray([1, 2, 3], np.uint8)
    assert_same("QuantizeLinear", [x, scale, zero], oracle=onnxruntime, axis=1)
    q = np.arange(12, dtype=np.uint8).reshape(2, 3, 2)
    assert_same("DequantizeLinear", [q, scale, zero], oracle=onnxruntime, axis=-2)


def test_dequantize_of_sums_needs_no_zero_point():
    assert_same("DequantizeLinear", [np.asarray([-70000, 5], np.int32), f32(0.25).reshape(())], oracle=onnxruntime)


def test_the_scale_of_a_range_of_zeros_is_one():
    y, scale, zero = ours("DynamicQuantizeLinear", [f32(0, 0)], outputs=3)
    assert (y.tolist(), float(scale), int(zero)) == ([0, 0], 1.0, 0)


def test_a_nan_is_quantised_to_the_lowest_number_and_infinities_saturate():
    x = f32(np.nan, np.inf, -np.inf, 3)
    assert_same("QuantizeLinear", [x, f32(1).reshape(()), np.asarray(7, np.int8)], oracle=onnxruntime)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16])
def test_every_number_is_rounded_to_even_and_limited_whatever_the_zero_point(dtype):
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    for zero in (low, 3, high):
        ends = np.concatenate([n - zero + np.arange(-3, 3.25, 0.25) for n in (low, high, 0)])
        random = np.random.default_rng(0).uniform(2 * low - 9, 2 * high + 9, 500)
        x = f32(*ends, *random, 0.0, -0.0, 2.0**31, -(2.0**31), 3e38, -3e38, np.inf, -np.inf, np.nan)
        with np.errstate(invalid="ignore"):
            want = np.where(np.isnan(x), low, np.clip(np.rint(x.astype(np.float64)) + zero, low, high))
        found = ours("QuantizeLinear", [x, f32(1).reshape(()), np.asarray(zero, dtype)])
        np.testing.assert_array_equal(np.asarray(found).reshape(-1), want.astype(dtype))
