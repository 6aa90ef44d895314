"""Pooling over odd kernels, strides, dilations, pads, against ONNX's reference."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from .onnx_node import assert_same, onnxruntime

few = settings(max_examples=40, deadline=None, derandomize=True)


@st.composite
def pool(draw, dilated=True):
    kernel = draw(st.integers(1, 5))
    dilation = draw(st.integers(1, 2)) if dilated else 1
    pads = [draw(st.integers(0, kernel - 1)) for _ in range(2)]
    extent, stride = draw(st.integers(1, 8)), draw(st.integers(1, 5))
    assume(extent + sum(pads) - ((kernel - 1) * dilation + 1) > -2 * stride)  # the count is not negative
    options = {
        "kernel_shape": [kernel],
        "strides": [stride],
        "pads": pads,
        "ceil_mode": draw(st.integers(0, 1)),
        "dilations": [dilation],
    }
    x = np.random.default_rng(extent).standard_normal((1, 2, extent)).astype(np.float32)
    return x, options


@few
@given(pool())
def test_max_pool_agrees_with_onnxruntime(case):
    x, options = case
    assert_same("MaxPool", [x], oracle=onnxruntime, **options)


@few
@given(pool(), st.integers(0, 1))
def test_average_pool_agrees_with_onnxruntime(case, padded):
    x, options = case
    assert_same("AveragePool", [x], oracle=onnxruntime, count_include_pad=padded, **options)


@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool", "LpPool"])
@pytest.mark.parametrize(("kernel", "stride", "windows"), [(9, 9, 1), (7, 4, 1), (8, 4, 0), (7, 3, 0)])
def test_a_window_longer_than_its_axis_is_cut_where_a_step_reaches_its_end(op_type, kernel, stride, windows):
    x = np.random.default_rng(0).standard_normal((1, 2, 4)).astype(np.float32)
    options = {"kernel_shape": [kernel], "strides": [stride]}
    assert onnxruntime(op_type, [x], **options)[0].shape == (1, 2, windows)
    assert_same(op_type, [x], oracle=onnxruntime, **options)


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_automatic_pads(auto_pad):
    x = np.random.default_rng(0).standard_normal((1, 2, 7, 6)).astype(np.float32)
    assert_same("MaxPool", [x], oracle=onnxruntime, kernel_shape=[3, 2], strides=[2, 2], auto_pad=auto_pad)


def test_max_pool_keeps_nan_and_minus_infinity():
    x = np.asarray([[[1, np.nan, 2, -np.inf, -np.inf, -np.inf]]], np.float32)
    assert_same(
        "MaxPool",
        [x],
        kernel_shape=[2],
        strides=[2],
        oracle=lambda *a, **k: [np.asarray([[[np.nan, 2, -np.inf]]], np.float32)],
    )
