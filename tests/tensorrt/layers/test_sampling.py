"""Slice and its sample modes, resize, grid sample, non-maximum suppression: against numpy, and formulas in float64."""

from __future__ import annotations

import numpy as np
import pytest

import burnish.tensorrt as trt
from burnish.errors import UserError
from tests.tensorrt.run_network import Array, feed, new_network, one, outputs_of, random


def test_the_example_of_tensorrts_documentation() -> None:
    x = np.array([[0, 2, 4], [1, 3, 5]], np.float32)
    network = new_network()
    layer = network.add_slice(feed(network, "x", x), (1, 0), (1, 2), (1, 2))
    np.testing.assert_array_equal(one(network, layer, x=x), [[1, 5]])


def test_negative_strides_read_down_to_element_zero() -> None:
    x = random(5, 4)
    network = new_network()
    layer = network.add_slice(feed(network, "x", x), (4, 3), (5, 2), (-1, -2))
    np.testing.assert_array_equal(one(network, layer, x=x), x[::-1, 3::-2])


@pytest.mark.parametrize("mode", ["FILL", "CLAMP", "REFLECT", "WRAP"])
def test_reading_beyond_the_bounds_follows_the_sample_mode(mode: str) -> None:
    x = random(4)
    network = new_network()
    layer = network.add_slice(feed(network, "x", x), (-2,), (8,), (1,))
    layer.mode = trt.SampleMode[mode]
    if mode == "FILL":
        layer.set_input(4, network.add_constant((), np.float32([7])).get_output(0))
    index = np.arange(-2, 6)
    expected = {
        "FILL": np.where((index < 0) | (index > 3), 7, x[np.clip(index, 0, 3)]),
        "CLAMP": x[np.clip(index, 0, 3)],
        "REFLECT": x[[2, 1, 0, 1, 2, 3, 2, 1]],
        "WRAP": x[index % 4],
    }[mode]
    np.testing.assert_array_equal(one(network, layer, reference=True, x=x), expected)


def test_a_slice_inside_the_bounds_needs_no_padding_in_any_mode() -> None:
    x = random(4)
    network = new_network()
    layer = network.add_slice(feed(network, "x", x), (1,), (2,), (1,))
    layer.mode = trt.SampleMode.FILL
    np.testing.assert_array_equal(one(network, layer, x=x), x[1:3])


@pytest.mark.parametrize(("start", "size", "stride"), [([1, 0], [2, 3], [2, 1]), ([3, 2], [4, 2], [-1, -2])])
def test_start_size_and_stride_may_come_at_run_time(start: list[int], size: list[int], stride: list[int]) -> None:
    x = random(4, 5)
    given = {n: np.array(v, np.int32) for n, v in (("a", start), ("b", size), ("c", stride))}
    network = new_network()
    layer = network.add_slice(feed(network, "x", x), (0, 0), (0, 0), (1, 1))
    for number, (name, value) in enumerate(given.items()):
        layer.set_input(number + 1, feed(network, name, value))
    rows, columns = (a + d * np.arange(n) for a, n, d in zip(start, size, stride))
    np.testing.assert_array_equal(one(network, layer, x=x, **given), x[rows][:, columns])


def test_axes_pick_the_dimensions_that_are_sliced() -> None:
    x = random(2, 6)
    network = new_network()
    layer = network.add_slice(feed(network, "x", x), (1,), (2,), (2,))
    layer.set_input(5, network.add_constant((1,), np.array([1])).get_output(0))
    np.testing.assert_array_equal(one(network, layer, x=x), x[:, 1:5:2])


def test_sample_modes_need_sizes_that_are_known() -> None:
    network = new_network()
    layer = network.add_slice(network.add_input("x", trt.float32, (-1,)), (-1,), (3,), (1,))
    layer.mode = trt.SampleMode.CLAMP
    with pytest.raises(UserError, match=r"E656.*SampleMode.CLAMP"):
        layer.get_output(0).shape  # noqa: B018


def linear(x: Array, size: int, transformation: str) -> Array:
    """Linear interpolation of a vector, by the coordinate formulas."""
    out = np.arange(size, dtype=np.float64)
    n = len(x)
    at = {
        "ASYMMETRIC": out * n / size,
        "HALF_PIXEL": (out + 0.5) * n / size - 0.5,
        "ALIGN_CORNERS": out * (n - 1) / (size - 1),
    }[transformation]
    at = np.clip(at, 0, n - 1)
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, n - 1)
    return x[low] * (1 - (at - low)) + x[high] * (at - low)


@pytest.mark.parametrize("transformation", ["ASYMMETRIC", "HALF_PIXEL", "ALIGN_CORNERS"])
def test_linear_resize_follows_its_coordinate_transformation(transformation: str) -> None:
    x = random(1, 1, 1, 5)
    network = new_network()
    layer = network.add_resize(feed(network, "x", x))
    layer.shape, layer.resize_mode = (1, 1, 1, 8), trt.InterpolationMode.LINEAR
    layer.coordinate_transformation = trt.ResizeCoordinateTransformation[transformation]
    result = one(network, layer, x=x)
    np.testing.assert_allclose(result[0, 0, 0], linear(x[0, 0, 0].astype(np.float64), 8, transformation), rtol=1e-5)


def test_resize_by_scales_repeats_the_nearest() -> None:
    x = random(1, 2, 3, 3)
    network = new_network()
    layer = network.add_resize(feed(network, "x", x))
    layer.scales = [1, 1, 2, 2]
    np.testing.assert_array_equal(one(network, layer, x=x), x.repeat(2, 2).repeat(2, 3))


def test_resize_takes_its_shape_at_run_time() -> None:
    x, shape = random(1, 2, 3, 3), np.array([1, 2, 6, 9], np.int32)
    network = new_network()
    layer = network.add_resize(feed(network, "x", x))
    layer.set_input(1, feed(network, "s", shape))
    np.testing.assert_array_equal(one(network, layer, x=x, s=shape), x.repeat(2, 2).repeat(3, 3))


def test_resize_without_shape_or_scales_says_so() -> None:
    network = new_network()
    layer = network.add_resize(feed(network, "x", random(1, 2, 3, 3)))
    assert not layer.align_corners
    layer.align_corners = True
    assert layer.coordinate_transformation is trt.ResizeCoordinateTransformation.ALIGN_CORNERS
    with pytest.raises(UserError, match=r"E651.*neither shape nor scales"):
        layer.get_output(0).shape  # noqa: B018


def test_grid_sample_at_pixel_centres_is_the_input() -> None:
    x = random(1, 2, 3, 4)
    rows, columns = (np.arange(3) + 0.5) / 3 * 2 - 1, (np.arange(4) + 0.5) / 4 * 2 - 1
    grid = np.stack(np.meshgrid(columns, rows), -1)[None].astype(np.float32)
    network = new_network()
    layer = network.add_grid_sample(feed(network, "x", x), feed(network, "g", grid))
    np.testing.assert_allclose(one(network, layer, x=x, g=grid), x, rtol=1e-5, atol=1e-6)


def test_grid_sample_refuses_modes_that_tensorrt_has_not() -> None:
    network = new_network()
    layer = network.add_grid_sample(feed(network, "x", random(1, 1, 2, 2)), feed(network, "g", random(1, 2, 2, 2)))
    layer.sample_mode = trt.SampleMode.WRAP
    with pytest.raises(UserError, match="E656"):
        layer.get_output(0).shape  # noqa: B018


def test_nms_keeps_the_best_of_overlapping_boxes() -> None:
    boxes = np.array([[[0, 0, 1, 1], [0, 0, 1, 0.95], [2, 2, 3, 3]]], np.float32)
    scores = np.array([[[0.8], [0.9], [0.7]]], np.float32)
    network = new_network()
    limit, overlap = (network.add_constant((), np.array(v)).get_output(0) for v in (10, np.float32(0.5)))
    layer = network.add_nms(feed(network, "b", boxes), feed(network, "s", scores), limit)
    layer.set_input(3, overlap)
    selected, count = outputs_of(network, layer.get_output(0), layer.get_output(1), b=boxes, s=scores)
    np.testing.assert_array_equal(selected, [[0, 0, 1], [0, 0, 2]])
    assert count == 2
