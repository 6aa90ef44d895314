"""Quantisation of what is not finite, of zeros, and to four bits."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from burnish.reference.quantize import dynamic_quantize_linear, quantize_linear

from .compare import assert_evaluator


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("name", ["quantize_linear", "dequantize_linear", "dynamic_quantize_linear"])
def test_integers_are_those_of_onnxruntime(name: str, seed: int):
    assert_evaluator(name, seed)


@pytest.mark.parametrize("kind", [ml_dtypes.int4, ml_dtypes.uint4, np.int8])
def test_infinities_saturate(kind: type):
    x, low, high = np.array([np.inf, -np.inf, 3], np.float32), ml_dtypes.iinfo(kind).min, ml_dtypes.iinfo(kind).max
    got = quantize_linear(x, np.array(1, np.float32), np.array(0, kind))
    assert got.astype(int).tolist() == [high, low, 3]


def test_blocks_have_a_scale_each():
    x, scale = np.arange(8, dtype=np.float32).reshape(2, 4), np.array([[1, 2], [4, 8]], np.float32)
    got = quantize_linear(x, scale, axis=1, block_size=2)
    np.testing.assert_array_equal(got, np.rint(x / np.repeat(scale, 2, axis=1)))


def test_the_scale_of_zeros_is_one():
    y, scale, zero = dynamic_quantize_linear(np.zeros(3, np.float32))
    assert (y.tolist(), float(scale), int(zero)) == ([0, 0, 0], 1.0, 0)
