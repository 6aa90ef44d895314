"""Layers that compute each element by itself: activations, arithmetic, scale, select, casts, quantisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.tensorrt.datatype import DataType, burnish_dtype
from burnish.tensorrt.dims import weights_array
from burnish.tensorrt.enums import ActivationType, ElementWiseOperation, LayerType, ScaleMode, UnaryOperation
from burnish.tensorrt.network.emission import Emission
from burnish.tensorrt.network.layer import ILayer
from burnish.tensorrt.network.tensor import ITensor

__all__ = [
    "IActivationLayer", "ICastLayer", "IDequantizeLayer", "IElementWiseLayer", "IIdentityLayer", "ILRNLayer",
    "IParametricReLULayer", "IQuantizeLayer", "IScaleLayer", "ISelectLayer", "IUnaryLayer",
]  # fmt: skip


class IActivationLayer(ILayer):
    """alpha and beta mean what TensorRT's ActivationType says; both are 0 until they are set."""

    layer_type = LayerType.ACTIVATION

    def __init__(self, input: ITensor, kind: ActivationType) -> None:
        super().__init__(input)
        self._kind = kind
        self.alpha = self.beta = 0.0

    @property
    def type(self) -> ActivationType:
        return self._kind

    @type.setter
    def type(self, value: ActivationType) -> None:
        self._kind = value
        self.changed()

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        x, kind = inputs[0], self._kind
        if kind.name in _PLAIN:
            return [graph.node(_PLAIN[kind.name], x)]
        if kind in (ActivationType.LEAKY_RELU, ActivationType.ELU, ActivationType.THRESHOLDED_RELU):
            op_type = {"LEAKY_RELU": "LeakyRelu", "ELU": "Elu", "THRESHOLDED_RELU": "ThresholdedRelu"}[kind.name]
            return [graph.node(op_type, x, alpha=float(self.alpha))]
        if kind is ActivationType.SELU:
            return [graph.node("Selu", x, alpha=float(self.alpha), gamma=float(self.beta))]
        if kind is ActivationType.HARD_SIGMOID:
            return [graph.node("HardSigmoid", x, alpha=float(self.alpha), beta=float(self.beta))]
        if kind in (ActivationType.GELU_ERF, ActivationType.GELU_TANH):
            return [graph.node("Gelu", x, approximate="tanh" if kind is ActivationType.GELU_TANH else "none")]
        alpha, beta = (constant_like(graph, self.input(), v) for v in (self.alpha, self.beta))
        if kind is ActivationType.CLIP:
            return [graph.node("Clip", x, alpha, beta)]
        inner = "Softplus" if kind is ActivationType.SOFTPLUS else "Tanh"  # alpha * f(beta * x)
        return [graph.node("Mul", graph.node(inner, graph.node("Mul", x, beta)), alpha)]


_PLAIN = {"RELU": "Relu", "SIGMOID": "Sigmoid", "TANH": "Tanh", "SOFTSIGN": "Softsign"}


def constant_like(graph: Emission, tensor: ITensor, value: float) -> str:
    """A scalar of the tensor's type."""
    return graph.constant(value, DType.from_onnx(tensor.facts.elem_type).numpy)


class IElementWiseLayer(ILayer):
    """input0 op input1; dimensions of size 1 are repeated."""

    layer_type = LayerType.ELEMENTWISE

    def __init__(self, input1: ITensor, input2: ITensor, op: ElementWiseOperation) -> None:
        super().__init__(input1, input2)
        self.op = op

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        if self.op is not ElementWiseOperation.FLOOR_DIV:
            return [graph.node(_BINARY[self.op.name], *inputs)]
        if DType.from_onnx(self.input().facts.elem_type).is_float:
            return [graph.node("Floor", graph.node("Div", *inputs))]
        whole = graph.node("Sub", inputs[0], graph.node("Mod", *inputs))  # Mod has the divisor's sign: exact, and floor
        return [graph.node("Div", whole, inputs[1])]


_BINARY = {
    "SUM": "Add", "PROD": "Mul", "MAX": "Max", "MIN": "Min", "SUB": "Sub", "DIV": "Div", "POW": "Pow", "AND": "And",
    "OR": "Or", "XOR": "Xor", "EQUAL": "Equal", "GREATER": "Greater", "LESS": "Less",
}  # fmt: skip


class IUnaryLayer(ILayer):
    layer_type = LayerType.UNARY

    def __init__(self, input: ITensor, op: UnaryOperation) -> None:
        super().__init__(input)
        self.op = op

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        special = {"RECIP": "Reciprocal", "ISINF": "IsInf", "ISNAN": "IsNaN"}
        return [graph.node(special.get(self.op.name, self.op.name.capitalize()), inputs[0])]


class IScaleLayer(ILayer):
    """(x * scale + shift) ^ power; one number, one per channel, or one per element of [C,H,W]."""

    layer_type = LayerType.SCALE

    def __init__(self, input: ITensor, mode: ScaleMode, shift: Any, scale: Any, power: Any, channel_axis: int) -> None:
        super().__init__(input)
        self.mode, self.shift, self.scale, self.power, self.channel_axis = mode, shift, scale, power, channel_axis

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        value = inputs[0]
        for op_type, weights in (("Mul", self.scale), ("Add", self.shift), ("Pow", self.power)):
            array = weights_array(weights)
            if array is not None:
                value = graph.node(op_type, value, graph.constant(array.reshape(self._shape(array.size))))
        return [value] if value != inputs[0] else [graph.node("Identity", value)]

    def _shape(self, size: int) -> list[int]:
        shape = list(self.input().shape)
        if self.mode is ScaleMode.CHANNEL:
            wanted = [1] * len(shape)
            wanted[self.channel_axis] = size
            fits = shape[self.channel_axis] in (-1, size)
        elif self.mode is ScaleMode.ELEMENTWISE:
            wanted = [1, *shape[1:]]
            fits = -1 not in shape[1:] and int(np.prod(shape[1:])) == size
        else:
            wanted, fits = [], size == 1
        if not fits:
            raise UserError(
                "E651",
                f"layer '{self.name}' has {size} weights; {self.mode} of an input {self.input().shape} needs others",
            )
        return wanted


class ISelectLayer(ILayer):
    """condition ? then : otherwise"""

    layer_type = LayerType.SELECT

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        return [graph.node("Where", *inputs)]


class IIdentityLayer(ILayer):
    """The input; with set_output_type, the input cast."""

    layer_type = LayerType.IDENTITY

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        return [graph.node("Identity", inputs[0])]


class ICastLayer(ILayer):
    layer_type = LayerType.CAST

    def __init__(self, input: ITensor, to_type: DataType) -> None:
        super().__init__(input)
        self.to_type = to_type

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        return [graph.node("Cast", inputs[0], to=burnish_dtype(self.to_type).onnx)]


class IParametricReLULayer(ILayer):
    """x where x >= 0, else slope * x."""

    layer_type = LayerType.PARAMETRIC_RELU

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        return [graph.node("PRelu", *inputs)]


class ILRNLayer(ILayer):
    """x / (k + alpha / window * sum of squares over `window` channels) ^ beta"""

    layer_type = LayerType.LRN

    def __init__(self, input: ITensor, window: int, alpha: float, beta: float, k: float) -> None:
        super().__init__(input)
        self.window_size, self.alpha, self.beta, self.k = window, alpha, beta, k

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        attributes = {"alpha": float(self.alpha), "beta": float(self.beta), "bias": float(self.k)}
        return [graph.node("LRN", inputs[0], size=int(self.window_size), **attributes)]


class IQuantizeLayer(ILayer):
    """round(x / scale), saturated; inputs: x, scale, and perhaps a zero point."""

    layer_type = LayerType.QUANTIZE
    _operator = "QuantizeLinear"

    def __init__(self, input: ITensor, scale: ITensor, to_type: DataType) -> None:
        super().__init__(input, scale)
        self.to_type = to_type
        self.axis = -1

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        attributes: dict[str, Any] = {} if self.input(1).rank == 0 else {"axis": int(self.axis)}
        if len(inputs) < 3:
            attributes["output_dtype"] = burnish_dtype(self.to_type).onnx
        return [graph.node(self._operator, *inputs, **attributes)]


class IDequantizeLayer(IQuantizeLayer):
    """(x - zero point) * scale"""

    layer_type = LayerType.DEQUANTIZE
    _operator = "DequantizeLinear"
