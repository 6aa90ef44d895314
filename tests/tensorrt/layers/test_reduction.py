"""Reductions, softmax, top-k, products, normalisation, running sums: against float64 numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import burnish.tensorrt as trt
from burnish.errors import UserError
from tests.tensorrt.run_network import Array, feed, new_network, one, outputs_of, random

NONE, TRANSPOSE, VECTOR = trt.MatrixOperation.NONE, trt.MatrixOperation.TRANSPOSE, trt.MatrixOperation.VECTOR
REDUCTIONS: dict[str, Callable[..., Any]] = {
    "SUM": np.sum,
    "PROD": np.prod,
    "MAX": np.max,
    "MIN": np.min,
    "AVG": np.mean,
}


@pytest.mark.parametrize("name", list(REDUCTIONS))
@pytest.mark.parametrize("keep", [True, False])
def test_a_reduction_takes_its_axes_from_a_bit_mask(name: str, keep: bool) -> None:
    x = random(2, 3, 4)
    network = new_network()
    layer = network.add_reduce(feed(network, "x", x, (0,)), trt.ReduceOperation[name], 1 << 0 | 1 << 2, keep)
    expected = REDUCTIONS[name](x.astype(np.float64), axis=(0, 2), keepdims=keep)
    np.testing.assert_allclose(one(network, layer, x=x), expected, rtol=1e-5)


def test_a_reduction_between_gpus_is_refused() -> None:
    network = new_network()
    layer = network.add_reduce(feed(network, "x", random(2)), trt.ReduceOperation.NONE, 1, False)
    with pytest.raises(UserError, match="E656"):
        layer.get_output(0).shape  # noqa: B018


def softmax(x: Array, axis: int) -> Array:
    powers = np.exp(x.astype(np.float64))
    return powers / powers.sum(axis, keepdims=True)


@pytest.mark.parametrize(("shape", "default"), [((2, 3, 4, 5), 1), ((2, 3, 4), 0), ((2, 3), 0)])
def test_softmax_works_on_the_third_axis_from_the_end_until_axes_is_set(shape: tuple[int, ...], default: int) -> None:
    x = random(*shape)
    network = new_network()
    tensor = feed(network, "x", x)
    first, last = network.add_softmax(tensor), network.add_softmax(tensor)
    last.axes = 1 << len(shape) - 1
    results = outputs_of(network, first.get_output(0), last.get_output(0), x=x)
    np.testing.assert_allclose(results[0], softmax(x, default), rtol=1e-5)
    np.testing.assert_allclose(results[1], softmax(x, -1), rtol=1e-5)


def test_softmax_over_two_axes_is_refused() -> None:
    network = new_network()
    layer = network.add_softmax(feed(network, "x", random(2, 3)))
    layer.axes = 3
    with pytest.raises(UserError, match=r"E651.*one axis, not on 2"):
        layer.get_output(0).shape  # noqa: B018


@pytest.mark.parametrize("op", ["MAX", "MIN"])
def test_topk_gives_sorted_values_and_i32_indices(op: str) -> None:
    x = random(3, 6)
    network = new_network()
    layer = network.add_topk(feed(network, "x", x), trt.TopKOperation[op], 2, 1 << 1)
    values, indices = outputs_of(network, layer.get_output(0), layer.get_output(1), x=x)
    order = np.argsort(-x if op == "MAX" else x, 1)[:, :2]
    np.testing.assert_array_equal(indices, order)
    assert indices.dtype == np.int32
    np.testing.assert_array_equal(values, np.take_along_axis(x, order, 1))


def test_topk_takes_k_from_a_tensor() -> None:
    x = random(2, 5)
    network = new_network()
    layer = network.add_topk(feed(network, "x", x), trt.TopKOperation.MAX, 1, 2)
    layer.set_input(1, network.add_constant((), np.array(3, np.int32)).get_output(0))
    assert layer.get_output(0).shape == (2, 3)
    np.testing.assert_array_equal(one(network, layer, x=x), -np.sort(-x, 1)[:, :3])


@pytest.mark.parametrize(
    ("a", "op0", "b", "op1", "expected"),
    [
        ((2, 3, 4), NONE, (1, 4, 5), NONE, "nij,njk->nik"),
        ((2, 4, 3), TRANSPOSE, (2, 5, 4), TRANSPOSE, "nji,nkj->nik"),
        ((2, 3, 4), NONE, (2, 4), VECTOR, "nij,nj->ni"),
        ((2, 4), VECTOR, (2, 4, 5), NONE, "nj,njk->nk"),
        ((2, 4), VECTOR, (2, 4), VECTOR, "nj,nj->n"),
    ],
)
def test_matrix_multiply_does_what_its_operations_say(
    a: tuple[int, ...], op0: trt.MatrixOperation, b: tuple[int, ...], op1: trt.MatrixOperation, expected: str
) -> None:
    x, y = random(*a), random(*b, seed=1)
    network = new_network()
    layer = network.add_matrix_multiply(feed(network, "x", x), op0, feed(network, "y", y), op1)
    wanted = np.einsum(expected, x.astype(np.float64), np.broadcast_to(y, (a[0], *b[1:])).astype(np.float64))
    np.testing.assert_allclose(one(network, layer, x=x, y=y), wanted, rtol=1e-5, atol=1e-5)


def test_einsum_multiplies_by_its_equation() -> None:
    x, y = random(2, 3), random(4, 3, seed=1)
    network = new_network()
    layer = network.add_einsum([feed(network, "x", x), feed(network, "y", y)], "ij,kj->ik")
    np.testing.assert_allclose(one(network, layer, x=x, y=y), x @ y.T, rtol=1e-5, atol=1e-6)


def normalized(x: Array, axes: tuple[int, ...]) -> Array:
    x = x.astype(np.float64)
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-5)


def test_normalization_over_axes_scales_and_shifts() -> None:
    x, scale, bias = random(2, 3, 8), random(1, 1, 8, seed=1), random(1, 1, 8, seed=2)
    network = new_network()
    weights = [network.add_constant(v.shape, v).get_output(0) for v in (scale, bias)]
    layer = network.add_normalization(feed(network, "x", x, (0,)), *weights, 1 << 2)
    np.testing.assert_allclose(one(network, layer, x=x), normalized(x, (2,)) * scale + bias, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [2, 6])
def test_group_normalization_takes_its_weights_per_group_or_per_channel(size: int) -> None:
    x, scale, bias = random(2, 6, 4, 4), random(1, size, 1, 1, seed=1), random(1, size, 1, 1, seed=2)
    network = new_network()
    weights = [network.add_constant(v.shape, v).get_output(0) for v in (scale, bias)]
    layer = network.add_normalization_v2(feed(network, "x", x, (0,)), *weights, 1 << 2 | 1 << 3)
    layer.num_groups = 2
    repeated = (np.repeat(v, 6 // size, 1) for v in (scale, bias))
    factor, offset = repeated
    expected = normalized(x.reshape(2, 2, 48), (2,)).reshape(x.shape) * factor + offset
    np.testing.assert_allclose(one(network, layer, x=x), expected, rtol=1e-4, atol=1e-5)


def test_group_normalization_per_group_needs_the_number_of_channels() -> None:
    network = new_network()
    weights = [network.add_constant((1, 2, 1), random(2)).get_output(0) for _ in range(2)]
    layer = network.add_normalization(network.add_input("x", trt.float32, (1, -1, 4)), *weights, 4)
    layer.num_groups = 2
    with pytest.raises(UserError, match=r"E651.*number of channels"):
        layer.get_output(0).shape  # noqa: B018


def test_running_sums_may_be_exclusive_and_reversed() -> None:
    x = random(2, 4)
    network = new_network()
    tensor, axis = feed(network, "x", x), network.add_constant((), np.array(1)).get_output(0)
    plain = network.add_cumulative(tensor, axis, trt.CumulativeOperation.SUM, False, False)
    other = network.add_cumulative(tensor, axis, trt.CumulativeOperation.SUM, True, True)
    results = outputs_of(network, plain.get_output(0), other.get_output(0), x=x)
    np.testing.assert_allclose(results[0], np.cumsum(x, 1), rtol=1e-5, atol=1e-6)
    reverse = np.cumsum(x[:, ::-1], 1)[:, ::-1]
    np.testing.assert_allclose(results[1], reverse - x, rtol=1e-5, atol=1e-6)
