from __future__ import annotations

import itertools

import numpy as np
import pytest

from .onnx_node import assert_same, onnxruntime


@pytest.mark.parametrize(
    ("mode", "padding", "align"),
    list(itertools.product(["linear", "nearest"], ["zeros", "border", "reflection"], [0, 1])),
)
def test_points_inside_and_far_outside_agree_with_onnxruntime(mode, padding, align):
    random = np.random.default_rng(5)
    x = random.standard_normal((2, 3, 4, 5)).astype(np.float32)
    grid = random.uniform(-2.5, 2.5, (2, 3, 6, 2)).astype(np.float32)
    options = {"mode": mode, "padding_mode": padding, "align_corners": align}
    assert_same("GridSample", [x, grid], oracle=onnxruntime, **options)
