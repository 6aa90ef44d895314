"""Attention as quantisers of float8 write it: Q and DQ around both products, one scale each, f32 between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]
KIND, FLOAT8 = TensorProto.FLOAT8E4M3FN, ml_dtypes.float8_e4m3fn


@dataclass(frozen=True)
class Layer:
    """weights: the scale of the softmax's codes, None: it stays f32; out: the result is a product of float8 of codes.

    mask: "row" forbids the last keys of the second sentence; "causal" is a constant triangle
    scaled: the scale stands on the queries, before they are codes
    inputs: the scale of x before each of the three products
    """

    batch: int = 2
    length: int = 24
    heads: int = 2
    size: int = 16
    weights: float | None = 1 / 448
    mask: str = "row"
    out: bool = True
    scaled: bool = False
    inputs: tuple[float, float, float] = (0.02, 0.02, 0.02)
    is_product: bool = True

    @property
    def width(self) -> int:
        return self.heads * self.size


class _Writer:
    def __init__(self, layer: Layer, seed: int) -> None:
        self.layer, self.random = layer, np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.constants = [_constant("zero", np.zeros((), FLOAT8))]

    def node(self, op_type: str, inputs: list[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op_type, inputs, [output], name=output, **attributes))
        return output

    def constant(self, name: str, array: Any) -> str:
        if all(c.name != name for c in self.constants):
            self.constants.append(_constant(name, np.asarray(array)))
        return name

    def codes(self, x: str, name: str, scale: float) -> str:
        """x as float8 and back."""
        given = [self.constant(f"{name}_scale", np.float32(scale)), "zero"]
        return self.node(
            "DequantizeLinear", [self.node("QuantizeLinear", [x, *given], f"{name}_q"), *given], f"{name}_d"
        )

    def linear(self, x: str, name: str, scale: float) -> str:
        """A product of float8, and a bias."""
        width = self.layer.width
        weight = (self.random.standard_normal((width, width)) / width**0.5).astype(np.float32)
        step = np.abs(weight).max(0) / np.float32(448)
        w = self.constant(f"{name}_w", (weight / step).astype(FLOAT8))
        read = self.node("DequantizeLinear", [w, self.constant(f"{name}_s", step)], f"{name}_wd", axis=1)
        product = self.node("MatMul", [self.codes(x, f"{name}_x", scale), read], f"{name}_p")
        bias = self.constant(f"{name}_b", self.random.standard_normal(width).astype(np.float32) * np.float32(0.1))
        return self.node("Add", [bias, product], f"{name}_a")

    def heads(self, x: str, name: str, order: list[int]) -> str:
        layer = self.layer
        shape = self.constant("heads", np.array([layer.batch, layer.length, layer.heads, layer.size]))
        return self.node("Transpose", [self.node("Reshape", [x, shape], f"{name}_r")], f"{name}_t", perm=order)


def model_of(layer: Layer, seed: int = 0) -> tuple[onnx.ModelProto, dict[str, Array]]:
    """The model, from x [batch, length, width] to y, and its inputs."""
    w, width = _Writer(layer, seed), layer.width
    parts = {}
    for number, name in enumerate("qkv"):
        x = w.linear("x", name, layer.inputs[number]) if layer.is_product else w.node("Relu", ["x"], f"{name}_x")
        part = w.heads(x, name, [0, 2, 3, 1] if name == "k" else [0, 2, 1, 3])
        if layer.scaled and name == "q":
            part = w.node("Mul", [part, w.constant("scale", np.float32(layer.size**-0.5))], "q_m")
        parts[name] = w.codes(part, name, 0.01 * (1 + number))
    scores = w.node("MatMul", [parts["q"], parts["k"]], "products")
    if not layer.scaled:
        scores = w.node("Div", [scores, w.constant("root", np.float32(layer.size**0.5))], "scores")
    inputs = [("x", [layer.batch, layer.length, width])]
    if layer.mask == "row":
        inputs.append(("mask", [layer.batch, 1, 1, layer.length]))
        scores = w.node("Add", [scores, "mask"], "masked")
    elif layer.mask == "causal":
        triangle = np.where(np.tri(layer.length, dtype=bool), 0, -np.inf).astype(np.float32)
        scores = w.node("Add", [scores, w.constant("triangle", triangle[None, None])], "masked")
    softmax = w.node("Softmax", [scores], "softmax", axis=-1)
    if layer.weights is not None:
        softmax = w.codes(softmax, "weights", layer.weights)
    total = w.node("Transpose", [w.node("MatMul", [softmax, parts["v"]], "sums")], "turned", perm=[0, 2, 1, 3])
    flat = w.constant("flat", np.array([layer.batch, layer.length, width]))
    rows = w.node("Reshape", [total, flat], "rows")
    w.node("Identity", [w.linear(rows, "out", 0.005) if layer.out else rows], "y")
    graph = helper.make_graph(
        w.nodes,
        "attention",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n, shape in inputs],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [layer.batch, layer.length, width])],
        w.constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    return model, feeds_of(layer, seed)


def feeds_of(layer: Layer, seed: int = 0) -> dict[str, Array]:
    random = np.random.default_rng(seed + 1)
    feeds = {"x": random.standard_normal((layer.batch, layer.length, layer.width)).astype(np.float32)}
    if layer.mask == "row":
        mask = np.zeros((layer.batch, 1, 1, layer.length), np.float32)
        mask[1:, ..., -layer.length // 4 :] = -1e4
        feeds["mask"] = mask
    return feeds


def _constant(name: str, array: Array) -> onnx.TensorProto:
    """An initializer; onnx packs float8 as bytes."""
    if array.dtype == FLOAT8:
        return helper.make_tensor(name, KIND, array.shape, array.tobytes(), raw=True)
    return numpy_helper.from_array(array, name)
