"""Writes ONNX graphs in the node forms of torch.onnx.export (TorchScript exporter, opset 17), without torch.

What the exporter writes and a hand would not: constants as Constant nodes, one parameter for equal ones with Identity
for the others, `Shape, Gather, Unsqueeze, Concat, Reshape` for every view, eight nodes for a Pad, GELU spelled out.
Weights are seeded; `gain` keeps activations at unit scale, so that comparisons mean something however deep the net.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Array = np.ndarray[Any, Any]
OPSET = 17
LOWEST = float(np.finfo(np.float32).min)


class Exporter:
    """A graph under construction; methods add nodes and give the name of their result."""

    def __init__(self, seed: int = 0, folded: bool = True) -> None:
        """folded: BatchNormalization is part of the convolutions before it, as the exporter does in inference mode."""
        self.random = np.random.default_rng(seed)
        self.folded = folded
        self._nodes: list[onnx.NodeProto] = []
        self._parameters: dict[str, onnx.TensorProto] = {}
        self._shared: dict[tuple[tuple[int, ...], bytes], str] = {}
        self._aliases: list[onnx.NodeProto] = []
        self._count = 0

    def node(self, op_type: str, *inputs: str, **attributes: Any) -> str:
        self._count += 1
        name = f"/model/{op_type}_{self._count}"
        self._nodes.append(helper.make_node(op_type, inputs, [f"{name}_output_0"], name, **attributes))
        return f"{name}_output_0"

    def constant(self, value: Any, dtype: type = np.int64) -> str:
        return self.node("Constant", value=numpy_helper.from_array(np.asarray(value, dtype)))

    def parameter(self, array: Array) -> str:
        """An initializer; one equal to an earlier one becomes an Identity of it."""
        array = np.ascontiguousarray(array, np.float32)
        key = (array.shape, array.tobytes())
        name = f"onnx::Parameter_{len(self._parameters) + len(self._aliases)}"
        if key in self._shared:
            self._aliases.append(helper.make_node("Identity", [self._shared[key]], [name], f"Identity_{name}"))
        else:
            self._shared[key] = name
            self._parameters[name] = numpy_helper.from_array(array, name)
        return name

    def weight(self, shape: Sequence[int], fan_in: int, gain: float = 1.0) -> str:
        return self.parameter(self.random.standard_normal(shape, np.float32) * (gain / fan_in**0.5))

    def bias(self, size: int) -> str:
        return self.parameter(self.random.standard_normal(size, np.float32) * 0.1)

    def conv(self, x: str, inputs: int, outputs: int, kernel: int, **options: Any) -> str:
        """Conv (with a bias), or Conv and BatchNormalization; options: stride, pad, group, auto_pad, gain, norm."""
        group, stride = options.get("group", 1), options.get("stride", 1)
        fan_in = inputs // group * kernel * kernel
        attributes: dict[str, Any] = {"dilations": [1, 1], "group": group, "kernel_shape": [kernel] * 2}
        if "auto_pad" in options:
            attributes["auto_pad"] = options["auto_pad"]
        else:
            attributes["pads"] = [options.get("pad", 0)] * 4
        attributes["strides"] = [stride] * 2
        weight = self.weight((outputs, inputs // group, kernel, kernel), fan_in, options.get("gain", 2**0.5))
        if self.folded or not options.get("norm", True):
            return self.node("Conv", x, weight, self.bias(outputs), **attributes)
        x = self.node("Conv", x, weight, **attributes)
        scale = self.parameter(self.random.uniform(0.8, 1.2, outputs))
        variance = self.parameter(self.random.uniform(0.8, 1.2, outputs))
        return self.node(
            "BatchNormalization", x, scale, self.bias(outputs), self.bias(outputs), variance, epsilon=1e-5, momentum=0.9
        )

    def linear(self, x: str, inputs: int, outputs: int, gain: float = 1.0) -> str:
        """The last axis; where BatchNormalization is not folded, the transpose of the weight is not either."""
        if self.folded:
            weight = self.weight((inputs, outputs), inputs, gain)
        else:
            weight = self.node("Transpose", self.weight((outputs, inputs), inputs, gain), perm=[1, 0])
        return self.node("Add", self.bias(outputs), self.node("MatMul", x, weight))

    def classifier(self, x: str, inputs: int, classes: int) -> str:
        weight, bias = self.weight((classes, inputs), inputs), self.bias(classes)
        return self.node("Gemm", x, weight, bias, alpha=1.0, beta=1.0, transB=1)

    def layer_norm(self, x: str, size: int, epsilon: float) -> str:
        ones, zeros = self.parameter(np.ones(size)), self.parameter(np.zeros(size))
        return self.node("LayerNormalization", x, ones, zeros, axis=-1, epsilon=epsilon)

    def silu(self, x: str) -> str:
        return self.node("Mul", x, self.node("Sigmoid", x))

    def gelu(self, x: str) -> str:
        erf = self.node("Erf", self.node("Div", x, self.constant(2**0.5, np.float32)))
        product = self.node("Mul", x, self.node("Add", erf, self.constant(1, np.float32)))
        return self.node("Mul", product, self.constant(0.5, np.float32))

    def size(self, x: str, axis: int) -> str:
        """A dimension as a scalar: x.shape[axis]."""
        return self.node("Gather", self.node("Shape", x), self.constant(axis), axis=0)

    def shape(self, *parts: str | int) -> str:
        """A shape from scalars and numbers."""
        rows = [
            self.constant([p]) if isinstance(p, int) else self.node("Unsqueeze", p, self.constant([0])) for p in parts
        ]
        return self.node("Concat", *rows, axis=0)

    def reshape(self, x: str, shape: str) -> str:
        return self.node("Reshape", x, shape, allowzero=0)

    def expand(self, x: str, shape: str) -> str:
        """tensor.expand(shape), where -1 keeps a size: the exporter replaces it by 1 in six nodes."""
        wanted = self.reshape(shape, self.constant([-1]))
        one = helper.make_tensor("value", TensorProto.INT64, [1], [1])
        ones = self.node("ConstantOfShape", self.node("Shape", wanted), value=one)
        keeps = self.node("Equal", wanted, self.node("Mul", ones, self.constant(-1)))
        return self.node("Expand", x, self.node("Where", keeps, ones, wanted))

    def pad(self, x: str, left: int, right: int, top: int, bottom: int) -> str:
        """torch.nn.functional.pad of the two last axes: the pads are turned around in the graph."""
        zero = helper.make_tensor("value", TensorProto.INT64, [1], [0])
        rest = self.node("ConstantOfShape", self.constant([4]), value=zero)
        pairs = self.reshape(
            self.node("Concat", self.constant([left, right, top, bottom]), rest, axis=0), self.constant([-1, 2])
        )
        bounds = [self.constant([v]) for v in (-1, -(2**63) + 1, 0, -1)]
        turned = self.node("Transpose", self.node("Slice", pairs, *bounds), perm=[1, 0])
        pads = self.node("Cast", self.reshape(turned, self.constant([-1])), to=TensorProto.INT64)
        return self.node("Pad", x, pads, self.constant(0, np.float32), mode="constant")

    def model(self, inputs: Sequence[onnx.ValueInfoProto], result: str, name: str, shape: Sequence[Any]) -> bytes:
        """The finished model; `result` becomes the output `name`."""
        self._nodes[-1].output[0] = name
        assert self._nodes[-1].name + "_output_0" == result, "the result is the last node's"
        output = helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        graph = helper.make_graph(
            [*self._aliases, *self._nodes], "main_graph", inputs, [output], list(self._parameters.values())
        )
        proto = helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8, producer_name="pytorch"
        )
        return bytes(proto.SerializeToString())
