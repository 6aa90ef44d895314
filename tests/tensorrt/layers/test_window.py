"""Convolution, deconvolution, pooling, padding, fully connected: against loops in float64 over TensorRT's formulas."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import burnish.tensorrt as trt
from burnish.errors import UserError
from tests.tensorrt.run_network import Array, feed, new_network, one, random


def convolve(x: Array, kernel: Array, stride: int, before: int, after: int, dilation: int, groups: int = 1) -> Array:
    """out[n,k,y,x] = sum of input * kernel, by its definition."""
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (before, after), (before, after)))
    (n, c, h, w), (k, _, r, s) = padded.shape, kernel.shape
    oh, ow = (h - 1 - dilation * (r - 1)) // stride + 1, (w - 1 - dilation * (s - 1)) // stride + 1
    out = np.zeros((n, k, oh, ow))
    per_in, per_out = c // groups, k // groups
    for o, y, z in itertools.product(range(k), range(oh), range(ow)):
        first = o // per_out * per_in
        rows, columns = y * stride + dilation * np.arange(r), z * stride + dilation * np.arange(s)
        patch = padded[:, first : first + per_in][:, :, rows][:, :, :, columns]
        out[:, o, y, z] = (patch * kernel[o]).sum(axis=(1, 2, 3))
    return out


@pytest.mark.parametrize(("stride", "padding", "dilation", "groups"), [(1, 0, 1, 1), (2, 1, 1, 2), (1, 2, 2, 1)])
def test_a_convolution_reads_flat_weights_as_outputs_inputs_kernel(
    stride: int, padding: int, dilation: int, groups: int
) -> None:
    x, kernel, bias = random(2, 4, 7, 7), random(6, 4 // groups, 3, 3, seed=1), random(6, seed=2)
    network = new_network()
    layer = network.add_convolution_nd(feed(network, "x", x, (0,)), 6, (3, 3), trt.Weights(kernel.ravel()), bias)
    layer.stride_nd, layer.dilation_nd, layer.num_groups = (stride, stride), (dilation, dilation), groups
    layer.padding_nd = trt.DimsHW(padding, padding)
    expected = convolve(x, kernel, stride, padding, padding, dilation, groups) + bias[:, None, None]
    np.testing.assert_allclose(one(network, layer, x=x), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [("EXPLICIT_ROUND_DOWN", 0, 0), ("EXPLICIT_ROUND_UP", 0, 1), ("SAME_UPPER", 0, 1), ("SAME_LOWER", 1, 0)],
)
def test_padding_modes_of_a_convolution_follow_tensorrts_table(mode: str, before: int, after: int) -> None:
    x, kernel = random(1, 2, 6, 6), random(3, 2, 3, 3, seed=1)
    network = new_network()
    layer = network.add_convolution(feed(network, "x", x), 3, trt.DimsHW(3, 3), kernel)
    layer.stride, layer.padding_mode = trt.DimsHW(2, 2), trt.PaddingMode[mode]
    np.testing.assert_allclose(one(network, layer, x=x), convolve(x, kernel, 2, before, after, 1), rtol=1e-5, atol=1e-5)


def test_a_convolution_takes_its_kernel_from_a_tensor() -> None:
    x, kernel = random(1, 2, 5, 5), random(3, 2, 3, 3, seed=1)
    network = new_network()
    layer = network.add_convolution_nd(feed(network, "x", x), 3, (3, 3), trt.Weights())
    layer.set_input(1, network.add_constant(kernel.shape, kernel).get_output(0))
    np.testing.assert_allclose(one(network, layer, x=x), convolve(x, kernel, 1, 0, 0, 1), rtol=1e-5, atol=1e-5)


def test_a_wrong_count_of_kernel_weights_names_the_layer() -> None:
    network = new_network()
    layer = network.add_convolution_nd(feed(network, "x", random(1, 2, 5, 5)), 4, (3, 3), random(35))
    layer.name = "stem"
    with pytest.raises(UserError, match=r"E651.*layer 'stem' has 35 kernel weights"):
        network.mark_output(layer.get_output(0))
        network.to_onnx()


def test_a_wrong_count_of_bias_weights_names_the_layer() -> None:
    network = new_network()
    layer = network.add_convolution_nd(feed(network, "x", random(1, 2, 5, 5)), 4, (3, 3), random(4, 2, 3, 3), random(3))
    with pytest.raises(UserError, match=r"E651.*3 bias weights for 4 output maps"):
        layer.get_output(0).shape  # noqa: B018  asking for it infers it


def test_rounding_up_over_an_unknown_size_is_refused() -> None:
    network = new_network()
    x = network.add_input("x", trt.float32, (1, 2, -1, -1))
    layer = network.add_convolution_nd(x, 4, (3, 3), random(4, 2, 3, 3))
    layer.stride_nd, layer.padding_mode = (2, 2), trt.PaddingMode.EXPLICIT_ROUND_UP
    with pytest.raises(UserError, match=r"E651.*needs to know dimension 2"):
        layer.get_output(0).shape  # noqa: B018


@pytest.mark.parametrize("mode", ["EXPLICIT_ROUND_DOWN", "SAME_UPPER", "SAME_LOWER"])
@pytest.mark.parametrize("stride", [1, 2, 4])
def test_a_deconvolution_scatters_its_input_over_the_output(mode: str, stride: int) -> None:
    x, kernel = random(1, 2, 4, 4), random(2, 3, 3, 3, seed=1)
    network = new_network()
    layer = network.add_deconvolution_nd(feed(network, "x", x), 3, (3, 3), kernel.ravel(), random(3, seed=2))
    layer.stride_nd, layer.padding_mode = (stride, stride), trt.PaddingMode[mode]
    whole = np.zeros((1, 3, 3 * stride + 3, 3 * stride + 3))
    for y, z in itertools.product(range(4), range(4)):
        whole[:, :, y * stride : y * stride + 3, z * stride : z * stride + 3] += np.einsum(
            "nc,ckrs->nkrs", x[:, :, y, z].astype(np.float64), kernel.astype(np.float64)
        )
    cut = 0 if mode.startswith("EXPLICIT") else max(3 - stride, 0)
    before = cut // 2 if mode == "SAME_UPPER" else cut - cut // 2
    size = whole.shape[2] - cut
    expected = whole[:, :, before : before + size, before : before + size] + random(3, seed=2)[:, None, None]
    np.testing.assert_allclose(one(network, layer, x=x), expected, rtol=1e-5, atol=1e-5)


def windows(x: Array, size: int, stride: int, before: int, after: int, fill: float) -> Array:
    padded = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (before, after), (before, after)), constant_values=fill)
    views = np.lib.stride_tricks.sliding_window_view(padded, (size, size), (2, 3))
    return views[:, :, ::stride, ::stride]


def test_max_pooling_rounds_up_where_it_is_told() -> None:
    x = random(1, 2, 6, 6)
    network = new_network()
    layer = network.add_pooling_nd(feed(network, "x", x), trt.PoolingType.MAX, (3, 3))
    layer.stride_nd, layer.padding_mode = (2, 2), trt.PaddingMode.EXPLICIT_ROUND_UP
    expected = windows(x, 3, 2, 0, 1, -np.inf).max(axis=(4, 5))
    np.testing.assert_allclose(one(network, layer, x=x), expected)


@pytest.mark.parametrize("excludes", [True, False])
def test_average_pooling_counts_padding_only_when_told(excludes: bool) -> None:
    x = random(1, 2, 5, 5)
    network = new_network()
    layer = network.add_pooling(feed(network, "x", x), trt.PoolingType.AVERAGE, trt.DimsHW(3, 3))
    layer.padding, layer.stride, layer.average_count_excludes_padding = (1, 1), (2, 2), excludes
    total = windows(x, 3, 2, 1, 1, 0).sum(axis=(4, 5))
    count = windows(np.ones_like(x), 3, 2, 1, 1, 0).sum(axis=(4, 5)) if excludes else 9
    np.testing.assert_allclose(one(network, layer, x=x), total / count, rtol=1e-5, atol=1e-6)


def test_blended_pooling_weighs_the_average_with_the_blend_factor() -> None:
    x = random(1, 2, 4, 4)
    network = new_network()
    layer = network.add_pooling_nd(feed(network, "x", x), trt.PoolingType.MAX, (2, 2))
    layer.type, layer.stride_nd, layer.blend_factor = trt.PoolingType.MAX_AVERAGE_BLEND, (2, 2), 0.25
    found = windows(x, 2, 2, 0, 0, 0)
    expected = 0.75 * found.max(axis=(4, 5)) + 0.25 * found.mean(axis=(4, 5))
    np.testing.assert_allclose(one(network, layer, x=x), expected, rtol=1e-5, atol=1e-6)


def test_padding_adds_zeros_and_cuts_where_it_is_negative() -> None:
    x = random(1, 2, 4, 4)
    network = new_network()
    layer = network.add_padding_nd(feed(network, "x", x), (1, -1), (2, -2))
    expected = np.pad(x[:, :, :, 1:2], ((0, 0), (0, 0), (1, 2), (0, 0)))
    np.testing.assert_array_equal(one(network, layer, x=x), expected)


def test_a_fully_connected_layer_flattens_channels_and_keeps_four_dimensions() -> None:
    x, kernel, bias = random(3, 2, 2, 2), random(5, 8, seed=1), random(5, seed=2)
    network = new_network()
    layer = network.add_fully_connected(feed(network, "x", x, (0,)), 5, kernel.ravel(), bias)
    expected = (x.reshape(3, 8).astype(np.float64) @ kernel.T + bias)[:, :, None, None]
    np.testing.assert_allclose(one(network, layer, x=x), expected, rtol=1e-5, atol=1e-5)


def test_a_fully_connected_layer_refuses_weights_that_do_not_divide() -> None:
    network = new_network()
    layer = network.add_fully_connected(feed(network, "x", random(3, 2, 2, 2)), 5, random(41))
    with pytest.raises(UserError, match=r"E651.*K x CHW weights"):
        layer.get_output(0).shape  # noqa: B018
