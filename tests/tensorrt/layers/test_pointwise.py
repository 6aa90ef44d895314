"""Activations, arithmetic, scale, select, casts, quantisation: against the formulas that TensorRT documents."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import burnish.tensorrt as trt
from burnish.errors import UserError
from tests.tensorrt.run_network import Array, feed, new_network, one, outputs_of, random

A, B = 0.3, 1.7
ERF = np.vectorize(math.erf)
ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "RELU": lambda x: np.maximum(x, 0),
    "SIGMOID": lambda x: 1 / (1 + np.exp(-x)),
    "TANH": np.tanh,
    "LEAKY_RELU": lambda x: np.where(x >= 0, x, A * x),
    "ELU": lambda x: np.where(x >= 0, x, A * (np.exp(x) - 1)),
    "SELU": lambda x: np.where(x > 0, B * x, B * (A * np.exp(x) - A)),
    "SOFTSIGN": lambda x: x / (1 + np.abs(x)),
    "SOFTPLUS": lambda x: A * np.log(np.exp(B * x) + 1),
    "CLIP": lambda x: np.clip(x, A, B),
    "HARD_SIGMOID": lambda x: np.clip(A * x + B, 0, 1),
    "SCALED_TANH": lambda x: A * np.tanh(B * x),
    "THRESHOLDED_RELU": lambda x: np.where(x > A, x, 0),
    "GELU_ERF": lambda x: 0.5 * x * (1 + ERF(math.sqrt(0.5) * x)),
    "GELU_TANH": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (0.044715 * x**3 + x))),
}


@pytest.mark.parametrize("name", list(ACTIVATIONS))
def test_an_activation_computes_its_formula(name: str) -> None:
    x = random(4, 33) * 3
    network = new_network()
    layer = network.add_activation(feed(network, "x", x, (0,)), trt.ActivationType[name])
    layer.alpha, layer.beta = A, B
    expected = ACTIVATIONS[name](x.astype(np.float64))
    np.testing.assert_allclose(one(network, layer, x=x), expected, rtol=2e-5, atol=2e-6)


def test_every_activation_type_is_tested() -> None:
    assert set(ACTIVATIONS) == set(trt.ActivationType.__members__)


BINARY: dict[str, Callable[[Array, Array], Array]] = {
    "SUM": np.add, "PROD": np.multiply, "MAX": np.maximum, "MIN": np.minimum, "SUB": np.subtract, "DIV": np.divide,
    "FLOOR_DIV": np.floor_divide, "EQUAL": np.equal, "GREATER": np.greater, "LESS": np.less,
}  # fmt: skip


@pytest.mark.parametrize("name", list(BINARY))
def test_elementwise_repeats_dimensions_of_one(name: str) -> None:
    x, y = random(3, 4), random(1, 4, seed=1)
    y[0, 0] = x[0, 0]
    network = new_network()
    tensors = feed(network, "x", x), feed(network, "y", y)
    layer = network.add_elementwise(*tensors, trt.ElementWiseOperation[name])
    np.testing.assert_allclose(one(network, layer, x=x, y=y), BINARY[name](x, y), rtol=1e-6)


def test_integer_floor_division_rounds_down() -> None:
    x, y = np.array([7, -7, 7, -7, 6], np.int32), np.array([2, 2, -2, -2, 3], np.int32)
    network = new_network()
    layer = network.add_elementwise(feed(network, "x", x), feed(network, "y", y), trt.ElementWiseOperation.FLOOR_DIV)
    np.testing.assert_array_equal(one(network, layer, x=x, y=y), x // y)


def test_powers_and_logic() -> None:
    base, exponent = np.abs(random(5)), random(5, seed=1)
    p, q = np.array([True, True, False, False]), np.array([True, False, True, False])
    network = new_network()
    tensors = {n: feed(network, n, v) for n, v in (("b", base), ("e", exponent), ("p", p), ("q", q))}
    ops = trt.ElementWiseOperation
    made = [
        network.add_elementwise(tensors[a], tensors[b], op).get_output(0)
        for a, b, op in (("b", "e", ops.POW), ("p", "q", ops.AND), ("p", "q", ops.OR), ("p", "q", ops.XOR))
    ]
    power, both, either, odd = outputs_of(network, *made, b=base, e=exponent, p=p, q=q)
    np.testing.assert_allclose(power, base**exponent, rtol=1e-5)
    np.testing.assert_array_equal([both, either, odd], [p & q, p | q, p ^ q])


UNARY: dict[str, Callable[[Array], Array]] = {
    "EXP": np.exp, "LOG": np.log, "SQRT": np.sqrt, "RECIP": np.reciprocal, "ABS": np.abs, "NEG": np.negative,
    "SIN": np.sin, "COS": np.cos, "TAN": np.tan, "SINH": np.sinh, "COSH": np.cosh, "ASIN": np.arcsin, "ACOS": np.arccos,
    "ATAN": np.arctan, "ASINH": np.arcsinh, "ACOSH": lambda x: np.arccosh(x), "ATANH": np.arctanh, "CEIL": np.ceil,
    "FLOOR": np.floor, "ERF": ERF, "SIGN": np.sign, "ROUND": np.round, "ISINF": np.isinf, "ISNAN": np.isnan,
    "NOT": np.logical_not,
}  # fmt: skip


@pytest.mark.parametrize("name", list(trt.UnaryOperation.__members__))
def test_a_unary_operation_computes_its_function(name: str) -> None:
    x = np.linspace(0.05, 0.95, 19).astype(np.float32)
    if name == "ACOSH":
        x = x + 1
    if name == "NOT":
        x = np.array([True, False])  # type: ignore[assignment]
    network = new_network()
    layer = network.add_unary(feed(network, "x", x), trt.UnaryOperation[name])
    np.testing.assert_allclose(one(network, layer, x=x), UNARY[name](x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("mode", "shape"), [("UNIFORM", ()), ("CHANNEL", (3, 1, 1)), ("ELEMENTWISE", (1, 3, 2, 2))])
def test_scale_multiplies_then_shifts_then_raises(mode: str, shape: tuple[int, ...]) -> None:
    x = np.abs(random(2, 3, 2, 2))
    scale, shift, power = (np.abs(random(max(math.prod(shape), 1), seed=n)) + 0.5 for n in (1, 2, 3))
    network = new_network()
    layer = network.add_scale(feed(network, "x", x, (0,)), trt.ScaleMode[mode], shift, scale, power)
    expected = (x * scale.reshape(shape) + shift.reshape(shape)) ** power.reshape(shape)
    np.testing.assert_allclose(one(network, layer, x=x), expected, rtol=1e-5)


def test_scale_nd_takes_its_channel_axis_and_leaves_out_what_is_not_given() -> None:
    x, scale = random(2, 3, 4), random(4, seed=1)
    network = new_network()
    layer = network.add_scale_nd(feed(network, "x", x), trt.ScaleMode.CHANNEL, scale=scale, channel_axis=2)
    np.testing.assert_allclose(one(network, layer, x=x), x * scale, rtol=1e-6)


def test_scale_with_the_wrong_number_of_weights_says_so() -> None:
    network = new_network()
    layer = network.add_scale(feed(network, "x", random(2, 3, 2, 2)), trt.ScaleMode.CHANNEL, scale=random(4))
    with pytest.raises(UserError, match=r"E651.*has 4 weights"):
        layer.get_output(0).shape  # noqa: B018


def test_select_picks_by_its_condition() -> None:
    c, x, y = np.array([True, False, True]), random(3), random(3, seed=1)
    network = new_network()
    layer = network.add_select(*(feed(network, n, v) for n, v in (("c", c), ("x", x), ("y", y))))
    np.testing.assert_array_equal(one(network, layer, c=c, x=x, y=y), np.where(c, x, y))


def test_cast_identity_and_set_output_type_change_the_type() -> None:
    x = np.array([-1.6, 0.0, 2.5], np.float32)
    network = new_network()
    tensor = feed(network, "x", x)
    same = network.add_identity(tensor)
    same.set_output_type(0, trt.int32)
    assert same.output_type_is_set(0)
    assert same.get_output_type(0) == trt.int32
    as_bool = network.add_cast(tensor, trt.bool)
    results = outputs_of(network, same.get_output(0), as_bool.get_output(0), x=x)
    np.testing.assert_array_equal(results[0], x.astype(np.int32))
    np.testing.assert_array_equal(results[1], x.astype(bool))


def test_parametric_relu_and_lrn() -> None:
    x, slope = random(1, 4, 3, 3), np.array([0.1, 0.2, 0.3, 0.4], np.float32).reshape(1, 4, 1, 1)
    network = new_network()
    tensor = feed(network, "x", x)
    leaky = network.add_parametric_relu(tensor, network.add_constant(slope.shape, slope).get_output(0))
    local = network.add_lrn(tensor, 3, 0.5, 0.75, 2.0)
    first, second = outputs_of(network, leaky.get_output(0), local.get_output(0), x=x)
    np.testing.assert_allclose(first, np.where(x >= 0, x, slope * x), rtol=1e-6)
    squares = np.pad(x.astype(np.float64) ** 2, ((0, 0), (1, 1), (0, 0), (0, 0)))
    total = squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:]
    np.testing.assert_allclose(second, x / (2 + 0.5 / 3 * total) ** 0.75, rtol=1e-5)


def test_quantize_then_dequantize_rounds_to_steps_of_the_scale() -> None:
    x = random(2, 3, 4)
    scale = np.array([0.1, 0.01, 0.02], np.float32)
    network = new_network()
    step = network.add_constant((3,), scale).get_output(0)
    quantized = network.add_quantize(feed(network, "x", x), step)
    quantized.axis = 1
    back = network.add_dequantize(quantized.get_output(0), step)
    back.axis = 1
    codes, values = outputs_of(network, quantized.get_output(0), back.get_output(0), reference=True, x=x)
    steps = scale[:, None]
    expected = np.clip(np.round(x / steps), -128, 127)
    np.testing.assert_array_equal(codes, expected.astype(np.int8))
    np.testing.assert_allclose(values, expected * steps, rtol=1e-6)
