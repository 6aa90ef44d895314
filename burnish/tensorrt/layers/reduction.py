"""Layers that combine elements: reduce, softmax, top-k, matrix product, einsum, normalisation, running sums.

TensorRT gives axes as bit masks: bit i stands for axis i.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from burnish.errors import UserError
from burnish.tensorrt.datatype import DataType, burnish_dtype
from burnish.tensorrt.enums import CumulativeOperation, LayerType, MatrixOperation, ReduceOperation, TopKOperation
from burnish.tensorrt.layers.pointwise import constant_like
from burnish.tensorrt.layers.shape import as_i64
from burnish.tensorrt.network.emission import Emission
from burnish.tensorrt.network.layer import ILayer
from burnish.tensorrt.network.tensor import ITensor

__all__ = [
    "ICumulativeLayer", "IEinsumLayer", "IMatrixMultiplyLayer", "INormalizationLayer", "IReduceLayer", "ISoftMaxLayer",
    "ITopKLayer",
]  # fmt: skip


def masked_axes(mask: int) -> list[int]:
    """The axes of a bit mask, ascending."""
    return [n for n in range(int(mask).bit_length()) if mask >> n & 1]


class IReduceLayer(ILayer):
    layer_type = LayerType.REDUCE

    def __init__(self, input: ITensor, op: ReduceOperation, axes: int, keep_dims: bool) -> None:
        super().__init__(input)
        self.op, self.axes, self.keep_dims = op, axes, keep_dims

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        names = {"SUM": "ReduceSum", "PROD": "ReduceProd", "MAX": "ReduceMax", "MIN": "ReduceMin", "AVG": "ReduceMean"}
        if self.op.name not in names:
            raise UserError("E656", f"layer '{self.name}': {self.op} is for collective communication between GPUs")
        axes = graph.integers(masked_axes(self.axes))
        return [graph.node(names[self.op.name], inputs[0], axes, keepdims=int(self.keep_dims))]


class ISoftMaxLayer(ILayer):
    """Over one axis; until `axes` is set, the third from the end, or the first of fewer than three."""

    layer_type = LayerType.SOFTMAX

    def __init__(self, input: ITensor) -> None:
        super().__init__(input)
        self.axes = 0

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        axes = masked_axes(self.axes) or [max(self.input().rank - 3, 0)]
        return [graph.node("Softmax", inputs[0], axis=_single(self, axes))]


def _single(layer: ILayer, axes: Sequence[int]) -> int:
    if len(axes) != 1:
        raise UserError("E651", f"layer '{layer.name}' works on one axis, not on {len(axes)}", hint="axes = 1 << axis")
    return axes[0]


class ITopKLayer(ILayer):
    """The k largest or smallest of one axis, sorted, and their indices; k is an attribute, or input 1."""

    layer_type = LayerType.TOPK

    def __init__(self, input: ITensor, op: TopKOperation, k: int, axes: int, indices_type: DataType) -> None:
        super().__init__(input, outputs=2)
        self.op, self.k, self.axes, self.indices_type = op, k, axes, indices_type

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        k = graph.integers([self.k])
        if self.has_input(1):
            known = self.input(1).facts.value
            if known is not None:
                k = graph.integers(known.reshape(1).tolist())
            else:
                k = graph.node("Reshape", as_i64(graph, self, inputs, 1), graph.integers([1]))
        attributes = {"axis": _single(self, masked_axes(self.axes)), "largest": int(self.op is TopKOperation.MAX)}
        values, indices = graph.nodes_outputs("TopK", [inputs[0], k], 2, **attributes)
        return [values, graph.node("Cast", indices, to=burnish_dtype(self.indices_type).onnx)]


class IMatrixMultiplyLayer(ILayer):
    """op0(input0) * op1(input1): NONE, TRANSPOSE (of the last two dimensions), VECTOR (the last one is a vector)."""

    layer_type = LayerType.MATRIX_MULTIPLY

    def __init__(self, input0: ITensor, op0: MatrixOperation, input1: ITensor, op1: MatrixOperation) -> None:
        super().__init__(input0, input1)
        self.op0, self.op1 = op0, op1

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        operands = [
            self._operand(graph, inputs[n], n, op, axis)
            for n, (op, axis) in enumerate(((self.op0, -2), (self.op1, -1)))
        ]
        product = graph.node("MatMul", *operands)
        ones = [axis for op, axis in ((self.op0, -2), (self.op1, -1)) if op is MatrixOperation.VECTOR]
        return [graph.node("Squeeze", product, graph.integers(ones)) if ones else product]

    def _operand(self, graph: Emission, value: str, index: int, op: MatrixOperation, axis: int) -> str:
        if op is MatrixOperation.VECTOR:
            return graph.node("Unsqueeze", value, graph.integers([axis]))
        if op is MatrixOperation.TRANSPOSE:
            rank = self.input(index).rank
            return graph.node("Transpose", value, perm=[*range(rank - 2), rank - 1, rank - 2])
        return value


class IEinsumLayer(ILayer):
    layer_type = LayerType.EINSUM

    def __init__(self, inputs: Iterable[ITensor], equation: str) -> None:
        super().__init__(*inputs)
        self.equation = equation

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        return [graph.node("Einsum", *inputs, equation=self.equation)]


class INormalizationLayer(ILayer):
    """(x - mean) / sqrt(variance + epsilon) * scale + bias, mean and variance over `axes`.

    With num_groups > 1 the channels (axis 1) are split into groups, and mean and variance are taken of each.
    """

    layer_type = LayerType.NORMALIZATION

    def __init__(self, input: ITensor, scale: ITensor, bias: ITensor, axes: int) -> None:
        super().__init__(input, scale, bias)
        self.axes, self.num_groups, self.epsilon, self.compute_precision = axes, 1, 1e-5, DataType.FLOAT

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        value, axes = inputs[0], masked_axes(self.axes)
        if self.num_groups > 1:
            value = graph.node("Reshape", value, graph.integers([0, self.num_groups, -1]))
            axes = [2]
        which = graph.integers(axes)
        centred = graph.node("Sub", value, graph.node("ReduceMean", value, which, keepdims=1))
        variance = graph.node("ReduceMean", graph.node("Mul", centred, centred), which, keepdims=1)
        epsilon = constant_like(graph, self.input(), self.epsilon)
        value = graph.node("Div", centred, graph.node("Sqrt", graph.node("Add", variance, epsilon)))
        scale, bias = inputs[1], inputs[2]
        if self.num_groups > 1:
            value = graph.node("Reshape", value, graph.node("Shape", inputs[0]))
            scale, bias = (self._per_channel(graph, n, name) for n, name in ((1, scale), (2, bias)))
        return [graph.node("Add", graph.node("Mul", value, scale), bias)]

    def _per_channel(self, graph: Emission, index: int, name: str) -> str:
        """Scale and bias given per group, as before TensorRT 10.15, repeated for every channel of the group."""
        shape, channels = self.input(index).shape, self.input().shape[1]
        if len(shape) < 2 or shape[1] != self.num_groups or channels == self.num_groups:
            return name
        if channels < 0:
            raise UserError("E651", f"layer '{self.name}': group normalisation needs a known number of channels")
        repeated = np.repeat(np.arange(self.num_groups), channels // self.num_groups)
        return graph.node("Gather", name, graph.integers(repeated.tolist()), axis=1)


class ICumulativeLayer(ILayer):
    """Running sums along the axis that input 1 holds."""

    layer_type = LayerType.CUMULATIVE

    def __init__(self, input: ITensor, axis: ITensor, op: CumulativeOperation, exclusive: bool, reverse: bool) -> None:
        super().__init__(input, axis)
        self.op, self.exclusive, self.reverse = op, exclusive, reverse

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        return [graph.node("CumSum", *inputs, exclusive=int(self.exclusive), reverse=int(self.reverse))]
