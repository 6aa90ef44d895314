"""Inputs, outputs, order of layers, types at the surface: what a network accepts, and the ONNX it becomes."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import burnish.tensorrt as trt
from burnish.errors import UserError
from burnish.tensorrt.network.add_layers import REFUSED
from tests.tensorrt.run_network import new_network, outputs_of, random


def test_an_empty_network_and_one_without_outputs_are_refused() -> None:
    network = new_network()
    network.add_input("x", trt.float32, (1,))
    with pytest.raises(UserError, match=r"E652.*no outputs"):
        network.to_onnx()


def test_two_inputs_of_one_name_are_refused() -> None:
    network = new_network()
    network.add_input("x", trt.float32, (1,))
    with pytest.raises(UserError, match=r"E652.*input 'x' already"):
        network.add_input("x", trt.float32, (1,))


def test_two_outputs_of_one_name_are_refused() -> None:
    network = new_network()
    x = network.add_input("x", trt.float32, (1,))
    for _ in range(2):
        tensor = network.add_identity(x).get_output(0)
        tensor.name = "y"
        network.mark_output(tensor)
    with pytest.raises(UserError, match=r"E652.*several outputs are called 'y'"):
        network.to_onnx()


def test_marking_none_as_output_says_what_happened() -> None:
    with pytest.raises(UserError, match=r"E652.*given None"):
        new_network().mark_output(None)  # type: ignore[arg-type]


def test_layers_that_take_from_each_other_are_refused() -> None:
    network = new_network()
    x = network.add_input("x", trt.float32, (1,))
    first = network.add_elementwise(x, x, trt.ElementWiseOperation.SUM)
    second = network.add_elementwise(first.get_output(0), x, trt.ElementWiseOperation.SUM)
    network.mark_output(second.get_output(0))
    first.set_input(1, second.get_output(0))
    with pytest.raises(UserError, match=r"E652.*takes from layers that take from it"):
        network.to_onnx()
    with pytest.raises(UserError, match="E652"):
        second.get_output(0).shape  # noqa: B018


def test_a_deep_network_needs_no_deep_stack() -> None:
    network = new_network()
    tensor = x = network.add_input("x", trt.float32, (2,))
    for _ in range(500):
        tensor = network.add_identity(tensor).get_output(0)
    assert tensor.shape == (2,)
    x.shape = (3,)
    assert tensor.shape == (3,)


def test_a_layer_may_take_from_one_that_was_made_later() -> None:
    x = random(2, 3)
    network = new_network()
    layer = network.add_shuffle(network.add_input("x", trt.float32, (2, 3)))
    layer.set_input(1, network.add_constant((1,), np.array([6])).get_output(0))
    np.testing.assert_array_equal(outputs_of(network, layer.get_output(0), x=x)[0], x.ravel())


def test_layers_that_no_output_needs_are_left_out() -> None:
    network = new_network()
    x = network.add_input("x", trt.float32, (2,))
    network.add_activation(x, trt.ActivationType.RELU)
    network.mark_output(network.add_unary(x, trt.UnaryOperation.EXP).get_output(0))
    assert [n.op_type for n in network.to_onnx().graph.node] == ["Exp", "Identity"]
    assert (network.num_layers, len(network), network[0].type) == (2, 2, trt.ActivationType.RELU)


def test_an_input_may_be_an_output_and_its_own_neighbour() -> None:
    x = random(3)
    network = new_network()
    tensor = network.add_input("x", trt.float32, (3,))
    y = network.add_elementwise(tensor, tensor, trt.ElementWiseOperation.PROD).get_output(0)
    np.testing.assert_allclose(outputs_of(network, y, x=x)[0], x * x, rtol=1e-6)


def test_types_at_the_surface_may_differ_from_those_inside() -> None:
    x = random(4).astype(np.float16)
    network = new_network()
    tensor = network.add_input("x", trt.float32, (4,))
    y = network.add_activation(tensor, trt.ActivationType.RELU).get_output(0)
    network.mark_output(y)
    tensor.dtype = trt.float16
    y.dtype = trt.float16
    (result,) = outputs_of(network, y, x=x)
    np.testing.assert_array_equal(result, np.maximum(x, 0))


def test_inner_tensors_have_no_settable_shape_type_or_names() -> None:
    network = new_network()
    inner = network.add_identity(network.add_input("x", trt.float32, (-1, 4))).get_output(0)
    with pytest.raises(UserError, match=r"E651.*shape of tensor"):
        inner.shape = (1, 4)
    with pytest.raises(UserError, match=r"E651.*inside the network"):
        inner.dtype = trt.float16
    with pytest.raises(UserError, match=r"E651.*dimension names"):
        inner.set_dimension_name(0, "n")


def test_named_dimensions_are_equal_dimensions() -> None:
    network = new_network()
    a, b = (network.add_input(n, trt.float32, (-1, 4)) for n in "ab")
    for tensor in (a, b):
        tensor.set_dimension_name(0, "batch")
        tensor.set_dimension_name(1, "ignored: it is a number")
    assert (a.get_dimension_name(0), a.get_dimension_name(1)) == ("batch", None)
    network.mark_output(network.add_elementwise(a, b, trt.ElementWiseOperation.SUM).get_output(0))
    dims = [i.type.tensor_type.shape.dim[0].dim_param for i in network.to_onnx().graph.input]
    assert dims == ["batch", "batch"]


def test_inputs_that_do_not_fit_together_name_the_layer() -> None:
    network = new_network()
    a, b = network.add_input("a", trt.float32, (2, 3)), network.add_input("b", trt.float32, (4, 5))
    layer = network.add_matrix_multiply(a, trt.MatrixOperation.NONE, b, trt.MatrixOperation.NONE)
    layer.name = "product"
    with pytest.raises(UserError, match=r"E651.*layer 'product' do not fit together"):
        layer.get_output(0).shape  # noqa: B018


def test_an_input_or_output_that_a_layer_has_not_is_named() -> None:
    network = new_network()
    x = network.add_input("x", trt.float32, (2, 3))
    layer = network.add_identity(x)
    with pytest.raises(UserError, match=r"E651.*has 1 outputs; 1 is not one"):
        layer.get_output(1)
    assert layer.get_input(1) is None and layer.num_inputs == layer.num_outputs == 1
    empty = network.add_matrix_multiply(x, trt.MatrixOperation.NONE, None, trt.MatrixOperation.TRANSPOSE)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"E651.*input 1 of layer"):
        empty.get_output(0).shape  # noqa: B018


def test_an_unknown_rank_is_said_where_it_is_needed() -> None:
    network = new_network()
    x = network.add_input("x", trt.float32, (2, 3))
    layer = network.add_shuffle(x)
    layer.set_input(1, network.add_input("s", trt.int64, (-1,)))
    assert layer.get_output(0).shape == ()
    with pytest.raises(UserError, match=r"E651.*rank of tensor"):
        network.add_softmax(layer.get_output(0)).get_output(0).shape  # noqa: B018


@pytest.mark.parametrize("name", list(REFUSED))
def test_layers_that_burnish_has_not_say_what_to_use(name: str) -> None:
    with pytest.raises(UserError, match=f"E656.*{name}"):
        getattr(new_network(), name)


def test_a_name_that_tensorrt_has_not_either_is_an_attribute_error() -> None:
    assert not hasattr(new_network(), "add_magic")


def test_precision_and_output_types_are_kept_and_reset() -> None:
    network = new_network()
    layer = network.add_identity(network.add_input("x", trt.float32, (2,)))
    assert layer.precision is trt.float32 and not layer.precision_is_set
    layer.precision = trt.float16
    assert layer.precision is trt.float16 and layer.precision_is_set
    layer.reset_precision()
    layer.set_output_type(0, trt.float16)
    assert not layer.precision_is_set and layer.get_output(0).dtype is trt.float16
    layer.reset_output_type(0)
    assert layer.get_output(0).dtype is trt.float32


def test_the_network_as_onnx_is_valid_and_named_after_its_layers() -> None:
    network = new_network()
    layer = network.add_convolution_nd(
        network.add_input("x", trt.float32, (-1, 3, 8, 8)), 4, (3, 3), random(4, 3, 3, 3)
    )
    layer.name = "stem"
    layer.get_output(0).name = "y"
    network.mark_output(layer.get_output(0))
    model = network.to_onnx()
    onnx.checker.check_model(model, full_check=True)
    assert model.graph.node[0].name == "stem/Conv"
    assert [o.name for o in model.graph.output] == ["y"]


def test_flags_and_outputs_are_told() -> None:
    network = trt.Builder(trt.Logger()).create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    assert network.get_flag(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    assert not network.get_flag(trt.NetworkDefinitionCreationFlag.EXPLICIT_BATCH)
    x = network.add_input("x", trt.float32, (2,))
    network.mark_output(x)
    assert x.is_network_input and x.is_network_output and network.get_output(0) is x
    network.unmark_output(x)
    assert not x.is_network_output and network.num_outputs == 0 and network.get_output(0) is None
    network.remove_tensor(x)
    assert network.num_inputs == 0 and network.get_input(0) is None and network.get_layer(0) is None


def test_calls_that_scripts_make_and_burnish_does_not_need_are_accepted() -> None:
    network = new_network()
    x = network.add_input("x", trt.float32, (2,))
    assert x.set_dynamic_range(-1, 1) and not x.is_shape_tensor and x.is_execution_tensor
    assert network.set_weights_name(trt.Weights(), "w")
    assert network.mark_output_for_shapes(x) and x.is_network_output
    trt.Builder(trt.Logger()).create_optimization_profile().set_shape_input("x", (1,), (1,), (1,))
