"""Pooling and the transposed convolution, with every kind of padding."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.reference.windows import max_pool

from .compare import assert_evaluator


@pytest.mark.parametrize("seed", range(16))
@pytest.mark.parametrize("name", ["max_pool", "average_pool", "lp_pool", "conv_transpose", "global_lp_pool"])
def test_windows_are_where_onnxruntime_has_them(name: str, seed: int):
    assert_evaluator(name, seed)


def test_a_pools_window_may_be_longer_than_its_axis_by_less_than_a_step():
    x = np.asarray([[[1, 4, 2, 3]]], np.float32)
    best, place = max_pool(x, kernel_shape=[7], strides=[4])
    assert (best.tolist(), place.tolist()) == ([[[4]]], [[[1]]])
    assert max_pool(x, kernel_shape=[8], strides=[4])[0].shape == (1, 1, 0)
