"""Products of bytes on the GPU: in int8 the bits of a plan for the CPU, in float8 the codes of float64 but for ties."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import burnish
from burnish.calibration import calibrate
from tests.end_to_end.architectures import SMALL
from tests.targets.cuda.test_float8 import PRODUCTS, codes
from tests.targets.cuda.test_quantised import PADDED

Array = np.ndarray[Any, Any]
RANDOM = np.random.default_rng(23)


def graph_of(
    nodes: list[Any], constants: dict[str, Array], feeds: dict[str, Array], kind: int = TensorProto.UINT8
) -> bytes:
    """A QDQ model from its feeds to `y`."""
    inputs = [
        helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in feeds.items()
    ]
    outputs = [helper.make_tensor_value_info("y", kind, None)]
    weights = [numpy_helper.from_array(np.asarray(a), n) for n, a in constants.items()]
    graph = helper.make_graph(nodes, "bytes", inputs, outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10).SerializeToString()


def product(rows: int, depth: int, columns: int, zero: int, dtype: Any) -> tuple[bytes, dict[str, Array]]:
    """Q(Relu(DQ(x) @ DQ(w) + b))"""
    span = (0, 256) if dtype is np.uint8 else (-128, 128)
    feeds = {"x": RANDOM.integers(*span, (rows, depth)).astype(dtype)}
    constants = {
        "w": RANDOM.integers(-127, 128, (depth, columns)).astype(np.int8),
        "ws": (RANDOM.uniform(0.5, 1.5, columns) / (20 * depth**0.5)).astype(np.float32),
        "wz": np.zeros(columns, np.int8),
        "xs": np.float32(1 / 64),
        "z": dtype(zero),
        "ys": np.float32(0.0311),
        "b": RANDOM.standard_normal(columns).astype(np.float32),
    }
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "xs", "z"], ["xf"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"], axis=1),
        helper.make_node("MatMul", ["xf", "wf"], ["p"]),
        helper.make_node("Add", ["p", "b"], ["s"]),
        helper.make_node("QuantizeLinear", ["s", "ys", "z"], ["y"]),
    ]
    return graph_of(nodes, constants, feeds, helper.np_dtype_to_tensor_dtype(np.dtype(dtype))), feeds


def residual(
    batch: int, channels: int, pixels: int, columns: int, taps: int, stride: int, zero: int
) -> tuple[bytes, dict[str, Array]]:
    """Q(Relu(Conv(DQ(x), DQ(w)) + DQ(r))), channels innermost."""
    out = (batch, -(-pixels // stride), -(-pixels // stride), columns)
    feeds = {
        "x": RANDOM.integers(0, 256, (batch, pixels, pixels, channels)).astype(np.uint8),
        "r": RANDOM.integers(0, 256, out).astype(np.uint8),
    }
    constants = {
        "w": RANDOM.integers(-127, 128, (columns, channels, taps, taps)).astype(np.int8),
        "ws": (RANDOM.uniform(0.5, 1.5, columns) / (20 * taps * channels**0.5)).astype(np.float32),
        "wz": np.zeros(columns, np.int8),
        "xs": np.float32(1 / 64),
        "z": np.uint8(zero),
        "ys": np.float32(0.0473),
    }
    nodes = [
        helper.make_node("Transpose", ["x"], ["xc"], perm=[0, 3, 1, 2]),
        helper.make_node("Transpose", ["r"], ["rc"], perm=[0, 3, 1, 2]),
        helper.make_node("DequantizeLinear", ["xc", "xs", "z"], ["xf"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"], axis=0),
        helper.make_node("Conv", ["xf", "wf"], ["c"], pads=[taps // 2] * 4, strides=[stride] * 2),
        helper.make_node("DequantizeLinear", ["rc", "ys", "z"], ["rf"]),
        helper.make_node("Add", ["c", "rf"], ["s"]),
        helper.make_node("Relu", ["s"], ["t"]),
        helper.make_node("QuantizeLinear", ["t", "ys", "z"], ["yc"]),
        helper.make_node("Transpose", ["yc"], ["y"], perm=[0, 2, 3, 1]),
    ]
    return graph_of(nodes, constants, feeds), feeds


def assert_same_bits(model: bytes | onnx.ModelProto, feeds: dict[str, Array], **how: Any) -> None:
    with burnish.load(burnish.build(model, target="cpu", **how), device="cpu") as engine:
        want = {name: np.array(a) for name, a in engine(**feeds).items()}
    with burnish.load(burnish.build(model, target="cuda", **how), device="cuda") as engine:
        for _ in range(3):  # eagerly, captured, replayed
            for name, found in engine(**feeds).items():
                np.testing.assert_array_equal(found, want[name])


@pytest.mark.parametrize("kind", [(0, np.uint8), (114, np.uint8), (0, np.int8), (-7, np.int8)])
@pytest.mark.parametrize(
    "sizes", [(1, 64, 64), (7, 33, 20), (128, 64, 256), (500, 257, 96), (1024, 512, 1024), (4096, 64, 128)]
)
def test_a_product_of_codes_has_the_bits_of_a_cpu(sizes: tuple[int, int, int], kind: tuple[int, Any]):
    assert_same_bits(*product(*sizes, *kind))


@pytest.mark.parametrize("zero", [0, 121])
@pytest.mark.parametrize(
    "sizes",
    [
        (2, 64, 28, 256, 1, 1),
        (8, 64, 14, 64, 3, 1),
        (1, 256, 7, 512, 1, 2),
        (32, 128, 14, 128, 3, 2),
        (3, 24, 9, 40, 3, 1),
    ],
)
def test_a_convolution_with_a_residual_has_the_bits_of_a_cpu(sizes: tuple[int, ...], zero: int):
    assert_same_bits(*residual(*sizes, zero))


@pytest.mark.parametrize("name", PADDED)
def test_sums_of_an_integer_convolution_are_those_of_a_cpu(name: str):
    assert_same_bits(*PADDED[name])


def test_a_network_with_residuals_has_the_bits_of_a_cpu():
    architecture = SMALL["resnet"]
    model, feeds = architecture.make(), architecture.feeds(batch=2)
    ranges = calibrate(model, [architecture.feeds(batch=2, seed=s) for s in (1, 2)], method="minmax")
    shapes = {key: a.shape for key, a in feeds.items()}
    assert_same_bits(model, feeds, precision="int8", ranges=ranges, shapes=shapes)


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_of_float8_has_the_codes_of_float64_but_for_ties(name: str):
    model, feeds, want = PRODUCTS[name]
    with burnish.load(burnish.build(model, target="cuda"), device="cuda") as engine:
        found = np.array(engine(**feeds)["y"])
    far = found.astype(np.float64) != want.astype(np.float64)
    assert far.mean() < 0.02  # the tensor cores keep 14 bits of a sum
    np.testing.assert_allclose(found[far].astype(np.float64), want[far].astype(np.float64), rtol=0.13, atol=2.0**-9)


def test_numbers_become_the_nearest_float8_and_saturate():
    x = np.concatenate([np.linspace(-500, 500, 4001), 2.0 ** np.arange(-14, 10), [np.inf, -np.inf, 0.0]])
    x = x.astype(np.float32)
    kind = TensorProto.FLOAT8E4M3FN
    nodes = [helper.make_node("QuantizeLinear", ["x", "s", "z"], ["y"])]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
    outputs = [helper.make_tensor_value_info("y", kind, None)]
    constants = [numpy_helper.from_array(np.float32(0.37), "s"), helper.make_tensor("z", kind, (), b"\0", raw=True)]
    graph = helper.make_graph(nodes, "g", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    with burnish.load(burnish.build(model, target="cuda"), device="cuda") as engine:
        found = np.array(engine(x=x)["y"])
    np.testing.assert_array_equal(found.astype(np.float32), codes(x, 0.37).astype(np.float32))
