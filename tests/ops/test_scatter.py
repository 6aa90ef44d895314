"""ScatterND and ScatterElements: boxes of known points, searched points, repeated points."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import burnish
from burnish.errors import UserError

from .onnx_node import assert_same, ours


def data(*shape):
    return np.arange(np.prod(shape), dtype=np.float32).reshape(shape)


def grid(*axes):
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).astype(np.int64)


@pytest.mark.parametrize(
    "points",
    [
        grid(range(3), range(1, 4)),
        grid([2], range(4, 0, -1)),
        grid([0, 2], [0, 3]),
        grid([-1], [-5, -3]),
        grid(range(1)),
        grid(range(2, 0, -1)),
    ],
)
def test_known_points_that_fill_a_box(points):
    x = data(3, 5)
    updates = -1 - data(*points.shape[:-1], *x.shape[points.shape[-1] :])
    assert_same("ScatterND", [x, points, updates], oracle=lambda *a, **k: [scattered(x, points, updates)])


def scattered(x, points, updates):
    out = x.copy()
    for n in np.ndindex(points.shape[:-1]):
        out[tuple(points[n])] = updates[n]
    return out


@pytest.mark.parametrize("reduction", ["none", "add", "mul", "max", "min"])
def test_slanted_points_are_no_box(reduction):
    points = np.asarray([[0, 0], [1, 1], [2, 3]], np.int64)
    assert_same("ScatterND", [data(3, 4), points, np.asarray([7, 0.5, -1], np.float32)], reduction=reduction)


@pytest.mark.parametrize("reduction", ["add", "mul", "max", "min"])
def test_repeated_updates_are_combined(reduction):
    points, updates = np.asarray([[1], [3], [1]], np.int64), np.asarray([7, 0.5, -1], np.float32)
    assert_same("ScatterND", [data(5), points, updates], reduction=reduction)
    assert_same("ScatterElements", [data(5), points[:, 0], updates], reduction=reduction)


def test_the_last_of_several_updates_wins():
    points = np.asarray([[1], [3], [1]], np.int64)
    assert_same("ScatterND", [data(5), points, np.asarray([7, 8, 9], np.float32)])


def test_scatter_elements_with_negative_indexes_and_fewer_lines():
    indices = np.asarray([[0, -1], [2, 0]], np.int64)
    updates = np.asarray([[10, 20], [30, 40]], np.float32)
    for axis in (0, 1):
        assert_same("ScatterElements", [data(3, 4), indices, updates], axis=axis)


def test_many_points_that_are_no_box_run_on_the_reference_kernel():
    points = np.random.default_rng(0).permutation(100)[:, None]
    with pytest.raises(AssertionError, match="many points that are no box"):
        ours("ScatterND", [data(100), points, data(100)])


@pytest.mark.parametrize("start", [-1, 3, 9])
def test_rows_beyond_the_cache_are_refused_where_their_place_is_known(start):
    text = f"""<ir_version: 10, opset_import: ["" : 24]>
    g (float[1,4,2] cache, float[1,2,2] rows) => (float[1,4,2] y) <int64[1] at = {{{start}}}>
    {{ y = TensorScatter (cache, rows, at) }}"""
    with pytest.raises(UserError, match="E203") as caught:
        burnish.build(onnx.parser.parse_model(text))
    assert "where 0 to 2 are allowed" in caught.value.what
