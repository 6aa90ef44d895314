"""Operators between codes, DequantizeLinear before them and QuantizeLinear after: ONNX Runtime's codes, bit by bit.

Scales are chosen so that many results lie on a tie, where the order of the roundings in between decides.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

import burnish
from tests.end_to_end.oracle import Array, answers, session
from tests.importers.microsoft.run import call

TARGETS = ("cpu:x86-64-v3", "cpu")


def between_codes(
    op_type: str,
    x: Array,
    *more: Array | None,
    scales: tuple[float, float] = (0.1, 0.1),
    opset: int = 21,
    **attributes: Any,
) -> onnx.ModelProto:
    """Q(op(DQ(x), more..)); zero points 128 of u8, 0 of others."""
    kind = helper.np_dtype_to_tensor_dtype(x.dtype)
    zero = np.asarray(128 if x.dtype == np.uint8 else 0, x.dtype)
    constants = [numpy_helper.from_array(np.float32(s), f"scale{n}") for n, s in enumerate(scales)]
    constants += [numpy_helper.from_array(zero, "zero")]
    constants += [numpy_helper.from_array(a, f"more{n}") for n, a in enumerate(more) if a is not None]
    names = [f"more{n}" if a is not None else "" for n, a in enumerate(more)]
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "scale0", "zero"], ["real"], "dequantize"),
        helper.make_node(op_type, ["real", *names], ["result"], "operator", **attributes),
        helper.make_node("QuantizeLinear", ["result", "scale1", "zero"], ["y"], "quantize"),
    ]
    ends = [helper.make_tensor_value_info("x", kind, x.shape)], [helper.make_tensor_value_info("y", kind, None)]
    graph = helper.make_graph(nodes, "between_codes", *ends, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def codes(*shape: int, dtype: Any = np.uint8, seed: int = 0) -> Array:
    limits = np.iinfo(dtype)
    return np.random.default_rng(seed).integers(limits.min, limits.max + 1, shape).astype(dtype)


def assert_equal(model: onnx.ModelProto, **feeds: Array) -> None:
    (want,) = answers(session(model.SerializeToString()), feeds).values()
    for target in TARGETS:
        with burnish.load(burnish.build(model, target=target), threads=1) as engine:
            (got,) = engine(feeds).values()
        np.testing.assert_array_equal(got, want, err_msg=target)


@pytest.mark.parametrize("opset", [17, 21])
@pytest.mark.parametrize(("kernel", "strides", "pads"), [([2, 2], [2, 2], [0] * 4), ([3, 4], [1, 3], [1, 2, 1, 1])])
def test_average_pool(opset: int, kernel: list[int], strides: list[int], pads: list[int]) -> None:
    """ONNX Runtime sums columns first before opset 19, unless the stride is more than two, and rows first since."""
    x = codes(2, 24, 13, 14)
    assert_equal(between_codes("AveragePool", x, opset=opset, kernel_shape=kernel, strides=strides, pads=pads), x=x)


@pytest.mark.parametrize("plane", [(7, 7), (8, 8), (16, 16), (3, 5), (1, 3), (50,), (2, 3, 4)])
@pytest.mark.parametrize("channels", [3, 96])
def test_global_average_pool(plane: tuple[int, ...], channels: int) -> None:
    """ONNX Runtime sums four lanes of a plane, then those, then what is left: every other mean lies on a tie here."""
    x = codes(2, channels, *plane)
    assert_equal(between_codes("GlobalAveragePool", x, scales=(0.0173, 0.0173 / 2)), x=x)


@pytest.mark.parametrize("op_type", ["ReduceMean", "ReduceSum"])
@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((2, 96, 8, 8), [2, 3]),
        ((300, 28), [1]),
        ((300, 196), [-1]),
        ((300, 4), [1]),
        ((30, 10, 252), [2]),
        ((40, 96), [0]),
    ],
)
def test_reductions_of_rows_of_fours_and_over_leading_axes(
    op_type: str, shape: tuple[int, ...], axes: list[int]
) -> None:
    """In ONNX Runtime's order, where that does not depend on where a row lies in memory."""
    x = codes(*shape)
    count = math.prod(shape[a] for a in axes)
    scales = (0.0173, 0.0173 / 2 if op_type == "ReduceMean" else 0.0173 * count / 4)
    assert_equal(between_codes(op_type, x, np.array(axes), scales=scales), x=x)


@pytest.mark.parametrize("shape", [(300, 49), (300, 3), (20, 255)])
def test_sums_of_other_rows_are_the_same_at_every_level(shape: tuple[int, ...]) -> None:
    """Their order in ONNX Runtime depends on the address of each row: a code in some hundred differs by one."""
    x = codes(*shape)
    model = between_codes("ReduceSum", x, np.array([1]), scales=(0.0173, 0.0173 * shape[1] / 4))
    (want,) = answers(session(model.SerializeToString()), {"x": x}).values()
    found = []
    for target in TARGETS:
        with burnish.load(burnish.build(model, target=target), threads=1) as engine:
            found += engine({"x": x}).values()
    for each in found:
        np.testing.assert_array_equal(each, found[0])
    difference = np.abs(found[0].astype(int) - want)
    assert difference.max() <= 1
    assert (difference != 0).mean() < 0.05


def test_qlinear_average_pool_adds_the_zero_point_before_it_rounds() -> None:
    """A mean just above a tie lies on it once the zero point is added: f32 holds fewer bits behind the point then."""
    x, scale, zero = codes(2, 24, 12, 12), np.float32(0.05), np.uint8(30)
    inputs = [x, scale, zero, scale, zero]
    model, feeds = call("QLinearAveragePool", inputs, (1, 2, 3, 4), (np.uint8,), kernel_shape=[2, 2], strides=[2, 2])
    assert_equal(model, **feeds)


@pytest.mark.parametrize(("batch", "direction", "kind"), [(1, "reverse", np.uint8), (5, "bidirectional", np.int8)])
def test_an_lstm_rounds_its_states_as_onnxruntime_does(batch: int, direction: str, kind: type) -> None:
    """Its states have one range over the batch, in each step and direction; a step that differs would be 1e-3."""
    count, width, hidden = 2 if direction == "bidirectional" else 1, 9, 20
    scale = np.full((count, 4 * hidden), 0.004, np.float32)
    zero = np.full((count, 4 * hidden), 128 if kind is np.uint8 else 0, kind)
    generator = np.random.default_rng(2)
    x = generator.standard_normal((7, batch, width)).astype(np.float32)
    bias = generator.standard_normal((count, 8 * hidden)).astype(np.float32)
    weights = [codes(count, n, 4 * hidden, dtype=kind, seed=n) for n in (width, hidden)]
    inputs = [x, *weights, bias, None, None, None, None, scale, zero, scale, zero]
    given, outputs = (1, 2, 3, 8, 9, 10, 11), (np.float32,) * 3
    model, feeds = call("DynamicQuantizeLSTM", inputs, given, outputs, direction=direction, hidden_size=hidden)
    want = answers(session(model.SerializeToString()), feeds)
    for target in TARGETS:
        with burnish.load(burnish.build(model, target=target), threads=2) as engine:
            found = engine(feeds)
        for got, right in zip(found.values(), want.values(), strict=True):
            np.testing.assert_allclose(got, right, rtol=0, atol=3e-6, err_msg=target)


@pytest.mark.parametrize("coordinates", ["half_pixel", "align_corners"])
def test_linear_resize(coordinates: str) -> None:
    x = codes(1, 16, 9, 11)
    factors = np.array([1, 1, 2, 2], np.float32)
    options = {"mode": "linear", "coordinate_transformation_mode": coordinates}
    assert_equal(between_codes("Resize", x, None, factors, opset=17, **options), x=x)
