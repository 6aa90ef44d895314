"""Layers that move elements, against numpy's own ways of moving them."""

from __future__ import annotations

import numpy as np
import pytest

import burnish.tensorrt as trt
from burnish.errors import UserError
from tests.tensorrt.run_network import feed, new_network, one, outputs_of, random


def test_shuffle_transposes_reshapes_and_transposes() -> None:
    x = random(2, 3, 4, 5)
    network = new_network()
    layer = network.add_shuffle(feed(network, "x", x, (0,)))
    layer.first_transpose = trt.Permutation([0, 2, 3, 1])
    layer.reshape_dims = (0, -1, 3)
    layer.second_transpose = (0, 2, 1)
    expected = x.transpose(0, 2, 3, 1).reshape(2, 20, 3).transpose(0, 2, 1)
    np.testing.assert_array_equal(one(network, layer, x=x), expected)


def test_shuffle_without_anything_set_is_the_input() -> None:
    x = random(2, 3)
    network = new_network()
    np.testing.assert_array_equal(one(network, network.add_shuffle(feed(network, "x", x)), x=x), x)


def test_zero_is_a_size_when_it_is_no_placeholder() -> None:
    network = new_network()
    layer = network.add_shuffle(feed(network, "x", np.zeros((0, 3), np.float32)))
    layer.reshape_dims, layer.zero_is_placeholder = (3, 0), False
    assert layer.get_output(0).shape == (3, 0)


def test_a_shape_that_is_computed_is_known_where_it_follows_from_fixed_sizes() -> None:
    x = random(2, 3, 4)
    network = new_network()
    tensor = feed(network, "x", x)
    shape = network.add_shape(tensor).get_output(0)
    reversed_shape = network.add_gather(shape, network.add_constant((3,), np.array([2, 0, 1])).get_output(0), 0)
    layer = network.add_shuffle(tensor)
    layer.set_input(1, reversed_shape.get_output(0))
    assert layer.get_output(0).shape == (4, 2, 3)
    np.testing.assert_array_equal(one(network, layer, x=x), x.reshape(4, 2, 3))


def test_shapes_are_forgotten_when_a_parameter_or_the_input_changes() -> None:
    network = new_network()
    tensor = network.add_input("x", trt.float32, (-1, 6))
    layer = network.add_shuffle(tensor)
    layer.reshape_dims = (-1, 3)
    after = network.add_activation(layer.get_output(0), trt.ActivationType.RELU)
    assert after.get_output(0).shape == (-1, 3)
    layer.reshape_dims = (-1, 2)
    assert after.get_output(0).shape == (-1, 2)
    tensor.shape = (4, 6)
    assert after.get_output(0).shape == (12, 2)


def test_concatenation_takes_the_third_axis_from_the_end_until_one_is_set() -> None:
    x, y = random(2, 3, 4, 4), random(2, 3, 4, 4, seed=1)
    network = new_network()
    tensors = [feed(network, "x", x), feed(network, "y", y)]
    first, second = network.add_concatenation(tensors), network.add_concatenation(tensors)
    second.axis = 3
    results = outputs_of(network, first.get_output(0), second.get_output(0), x=x, y=y)
    np.testing.assert_array_equal(results[0], np.concatenate([x, y], 1))
    np.testing.assert_array_equal(results[1], np.concatenate([x, y], 3))


def test_gather_by_slices_elements_and_index_vectors() -> None:
    x, i = random(3, 4, 5), np.array([[2, 0], [1, 1]], np.int32)
    each = np.array([[[1, 0, 3, 2, 1]], [[0, 1, 2, 3, 0]], [[3, 3, 3, 3, 3]]], np.int64)
    network = new_network()
    tensor, indices, elements = (feed(network, n, v) for n, v in (("x", x), ("i", i), ("e", each)))
    slices = network.add_gather(tensor, indices, 1)
    by_element = network.add_gather_v2(tensor, elements, trt.GatherMode.ELEMENT)
    by_element.axis = 1
    by_vector = network.add_gather_v2(tensor, indices, trt.GatherMode.ND)
    made = [layer.get_output(0) for layer in (slices, by_element, by_vector)]
    results = outputs_of(network, *made, x=x, i=i, e=each)
    np.testing.assert_array_equal(results[0], x[:, i])
    np.testing.assert_array_equal(results[1], np.take_along_axis(x, each, 1))
    np.testing.assert_array_equal(results[2], x[i[:, 0], i[:, 1]])


def test_gather_with_an_elementwise_dimension_indexes_each_row_by_its_own_indices() -> None:
    x, i = random(3, 4, 2), np.array([[2, 0], [1, 1], [3, 0]], np.int32)
    network = new_network()
    layer = network.add_gather(feed(network, "x", x), feed(network, "i", i), 1)
    layer.num_elementwise_dims = 1
    np.testing.assert_array_equal(one(network, layer, x=x, i=i), np.stack([x[n][i[n]] for n in range(3)]))


def test_gather_of_a_later_axis_with_elementwise_dimensions_is_refused() -> None:
    network = new_network()
    tensors = feed(network, "x", random(3, 4, 2)), feed(network, "i", np.zeros((3, 2), np.int32))
    layer = network.add_gather(*tensors, 2)
    layer.num_elementwise_dims = 1
    with pytest.raises(UserError, match="E656"):
        layer.get_output(0).shape  # noqa: B018


def test_scatter_writes_updates_by_element_and_by_index_vector() -> None:
    x, updates = np.zeros((3, 4), np.float32), random(1, 4)
    rows, places = np.array([[2, 0, 1, 2]], np.int64), np.array([[0, 1], [2, 3]], np.int32)
    pair = random(2, seed=3)
    network = new_network()
    named = {"x": x, "u": updates, "r": rows, "p": places, "v": pair}
    t = {n: feed(network, n, v) for n, v in named.items()}
    by_element = network.add_scatter(t["x"], t["r"], t["u"], trt.ScatterMode.ELEMENT)
    by_vector = network.add_scatter(t["x"], t["p"], t["v"], trt.ScatterMode.ND)
    first, second = outputs_of(network, by_element.get_output(0), by_vector.get_output(0), **named)
    expected = x.copy()
    np.put_along_axis(expected, rows, updates, 0)
    np.testing.assert_array_equal(first, expected)
    expected = x.copy()
    expected[0, 1], expected[2, 3] = pair
    np.testing.assert_array_equal(second, expected)


def test_a_constant_is_its_weights_under_its_shape() -> None:
    values = random(6)
    network = new_network()
    network.add_input("x", trt.float32, (1,))
    layer = network.add_constant(trt.Dims2(2, 3), values)
    np.testing.assert_array_equal(one(network, layer, x=random(1)), values.reshape(2, 3))


def test_a_constant_of_another_size_is_refused() -> None:
    layer = new_network().add_constant((2, 3), random(5))
    with pytest.raises(UserError, match=r"E651.*\(2, 3\) has 5 weights"):
        layer.get_output(0).shape  # noqa: B018


def test_squeeze_and_unsqueeze_take_their_axes_from_tensors() -> None:
    x = random(1, 3, 1)
    network = new_network()
    tensor = feed(network, "x", x)
    axes = network.add_constant((2,), np.array([0, 2], np.int32)).get_output(0)
    squeezed = network.add_squeeze(tensor, axes).get_output(0)
    assert squeezed.shape == (3,)
    layer = network.add_unsqueeze(squeezed, axes)
    np.testing.assert_array_equal(one(network, layer, x=x), x)


@pytest.mark.parametrize("dtype", [trt.float32, trt.int32, trt.int64])
def test_linspace_starts_at_alpha_and_steps_by_beta(dtype: trt.DataType) -> None:
    network = new_network()
    network.add_input("x", trt.float32, (1,))
    layer = network.add_fill((2, 3), trt.FillOperation.LINSPACE, dtype)
    layer.alpha, layer.beta = 5, 2
    layer.set_input(2, network.add_constant((2,), np.array([10, 2], trt.nptype(dtype))).get_output(0))
    np.testing.assert_array_equal(one(network, layer, x=random(1)), [[5, 7, 9], [15, 17, 19]])


def test_linspace_takes_its_size_at_run_time() -> None:
    x = random(7, 2)
    network = new_network()
    layer = network.add_fill((), trt.FillOperation.LINSPACE)
    tensor = feed(network, "x", x, (0,))
    size = network.add_slice(network.add_shape(tensor).get_output(0), (0,), (1,), (1,)).get_output(0)
    layer.set_input(0, size)
    np.testing.assert_array_equal(one(network, layer, x=x), np.arange(7))


@pytest.mark.parametrize("operation", ["RANDOM_UNIFORM", "RANDOM_NORMAL"])
def test_random_fills_have_their_shape_and_range(operation: str) -> None:
    network = new_network()
    network.add_input("x", trt.float32, (1,))
    layer = network.add_fill((40, 50), trt.FillOperation[operation])
    layer.alpha, layer.beta = 2.0, 3.0
    result = one(network, layer, reference=True, x=random(1))
    assert result.shape == (40, 50)
    if operation == "RANDOM_UNIFORM":
        assert result.min() >= 2 and result.max() <= 3
    else:
        assert abs(result.mean() - 2) < 0.4 and abs(result.std() - 3) < 0.4


def test_one_hot_non_zero_and_reverse_sequence() -> None:
    i, values = np.array([2, 0], np.int64), np.array([-1, 5], np.float32)
    x, lengths = random(4, 2), np.array([3, 2], np.int32)
    network = new_network()
    t = {n: feed(network, n, v) for n, v in (("i", i), ("v", values), ("x", x), ("n", lengths))}
    depth = network.add_constant((), np.array(3)).get_output(0)
    hot = network.add_one_hot(t["i"], t["v"], depth, -1)
    where = network.add_non_zero(t["i"])
    back = network.add_reverse_sequence(t["x"], t["n"])
    made = [layer.get_output(0) for layer in (hot, where, back)]
    results = outputs_of(network, *made, i=i, v=values, x=x, n=lengths)
    np.testing.assert_array_equal(results[0], np.where(np.eye(3)[i] == 1, 5, -1))
    np.testing.assert_array_equal(results[1], [[0]])
    expected = x.copy()
    expected[:3, 0], expected[:2, 1] = x[2::-1, 0], x[1::-1, 1]
    np.testing.assert_array_equal(results[2], expected)
