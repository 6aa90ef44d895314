"""Resize in every coordinate mode, against ONNX Runtime."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from burnish.errors import UserError

from .onnx_node import assert_same, onnxruntime, ours

COORDINATES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"]
ROUNDING = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]


def data(*shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def sizes(*values):
    return np.asarray(values, np.int64)


@pytest.mark.parametrize(("coordinates", "rounding"), list(itertools.product(COORDINATES, ROUNDING)))
def test_nearest_agrees_with_onnxruntime(coordinates, rounding):
    for height, width in ((6, 8), (3, 2), (4, 7)):
        assert_same(
            "Resize", [data(1, 2, 3, 4), None, None, sizes(1, 2, height, width)], oracle=onnxruntime, mode="nearest",
            coordinate_transformation_mode=coordinates, nearest_mode=rounding,
        )  # fmt: skip


@pytest.mark.parametrize("coordinates", COORDINATES)
def test_linear_agrees_with_onnxruntime(coordinates):
    for height, width in ((6, 8), (2, 1), (4, 7)):
        assert_same(
            "Resize", [data(1, 2, 3, 4), None, None, sizes(1, 2, height, width)], oracle=onnxruntime, mode="linear",
            coordinate_transformation_mode=coordinates,
        )  # fmt: skip


@pytest.mark.parametrize("scale", [2.0, 3.0, 0.5, 1.7])
@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize("coordinates", ["half_pixel", "asymmetric"])
def test_scales_agree_with_onnxruntime(mode, coordinates, scale):
    scales = np.asarray([1, 1, scale, 1], np.float32)
    assert_same(
        "Resize", [data(1, 1, 5, 3), None, scales], oracle=onnxruntime, mode=mode,
        coordinate_transformation_mode=coordinates, nearest_mode="floor",
    )  # fmt: skip


def test_scales_that_do_not_fit_the_axes_are_refused():
    with pytest.raises(UserError, match="E203"):
        ours("Resize", [data(1, 1, 5, 3), None, np.asarray([2.0], np.float32)])
