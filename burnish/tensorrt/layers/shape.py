"""Layers that move elements: shuffle, slice, concatenation, gather, scatter, resize; and shapes, constants, fills."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.tensorrt.datatype import DataType, burnish_dtype
from burnish.tensorrt.dims import Dims, Permutation, weights_array
from burnish.tensorrt.enums import FillOperation, GatherMode, LayerType, ScatterMode
from burnish.tensorrt.network.emission import Emission
from burnish.tensorrt.network.layer import ILayer
from burnish.tensorrt.network.tensor import ITensor

__all__ = [
    "IConcatenationLayer", "IConstantLayer", "IFillLayer", "IGatherLayer", "INonZeroLayer", "IOneHotLayer",
    "IReverseSequenceLayer", "IScatterLayer", "IShapeLayer", "IShuffleLayer", "ISqueezeLayer", "IUnsqueezeLayer",
]  # fmt: skip


class IShuffleLayer(ILayer):
    """Transpose, reshape (by `reshape_dims`, or by input 1), transpose."""

    layer_type = LayerType.SHUFFLE

    def __init__(self, input: ITensor) -> None:
        super().__init__(input)
        self.first_transpose: Sequence[int] | None = None
        self.second_transpose: Sequence[int] | None = None
        self.reshape_dims: Sequence[int] | None = None
        self.zero_is_placeholder = True

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        value = self._transpose(graph, inputs[0], self.first_transpose)
        if self.has_input(1) or self.reshape_dims is not None:
            shape = as_i64(graph, self, inputs, 1) if self.has_input(1) else graph.integers(self.reshape_dims or ())
            value = graph.node("Reshape", value, shape, allowzero=int(not self.zero_is_placeholder))
        value = self._transpose(graph, value, self.second_transpose)
        return [value] if value != inputs[0] else [graph.node("Identity", value)]

    def _transpose(self, graph: Emission, value: str, permutation: Sequence[int] | None) -> str:
        order = None if permutation is None else list(Permutation(permutation))
        return value if not order or order == sorted(order) else graph.node("Transpose", value, perm=order)


def as_i64(graph: Emission, layer: ILayer, inputs: Sequence[str], index: int) -> str:
    """An input that holds sizes, axes or indices, as the i64 that ONNX wants (TensorRT allows i32)."""
    facts = layer.input(index).facts
    if facts.elem_type == DType.I64.onnx:
        return inputs[index]
    if facts.value is not None:
        return graph.constant(facts.value, np.int64)
    return graph.node("Cast", inputs[index], to=DType.I64.onnx)


class IConcatenationLayer(ILayer):
    """Along `axis`; until it is set, the third from the end, or the first of fewer than three."""

    layer_type = LayerType.CONCATENATION

    def __init__(self, inputs: Iterable[ITensor]) -> None:
        super().__init__(*inputs)
        self.axis: int | None = None

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        axis = max(self.input().rank - 3, 0) if self.axis is None else int(self.axis)
        return [graph.node("Concat", *inputs, axis=axis)]


class IGatherLayer(ILayer):
    """DEFAULT: slices of `axis` by index. ELEMENT, ND: GatherElements, GatherND (batch: num_elementwise_dims)."""

    layer_type = LayerType.GATHER

    def __init__(self, input: ITensor, indices: ITensor, axis: int, mode: GatherMode) -> None:
        super().__init__(input, indices)
        self.axis, self.mode, self.num_elementwise_dims = axis, mode, 0

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        data, indices = inputs
        if self.mode is GatherMode.ELEMENT:
            return [graph.node("GatherElements", data, indices, axis=int(self.axis))]
        if self.mode is GatherMode.ND:
            return [
                graph.node("GatherND", data, as_i64(graph, self, inputs, 1), batch_dims=int(self.num_elementwise_dims))
            ]
        if self.num_elementwise_dims == 0:
            return [graph.node("Gather", data, indices, axis=int(self.axis))]
        if self.axis != self.num_elementwise_dims:
            raise UserError(
                "E656",
                f"layer '{self.name}' gathers axis {self.axis} with {self.num_elementwise_dims} elementwise dimensions",
                why="only the axis just after the elementwise dimensions can be gathered so",
                hint="move the axis there with add_shuffle, or use GatherMode.ND",
            )
        each = graph.node("Unsqueeze", as_i64(graph, self, inputs, 1), graph.integers([-1]))
        return [graph.node("GatherND", data, each, batch_dims=int(self.num_elementwise_dims))]


class IScatterLayer(ILayer):
    """data with updates written at indices; ELEMENT along `axis`, or ND."""

    layer_type = LayerType.SCATTER

    def __init__(self, data: ITensor, indices: ITensor, updates: ITensor, mode: ScatterMode) -> None:
        super().__init__(data, indices, updates)
        self.mode, self.axis = mode, 0

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        if self.mode is ScatterMode.ELEMENT:
            return [graph.node("ScatterElements", *inputs, axis=int(self.axis))]
        return [graph.node("ScatterND", inputs[0], as_i64(graph, self, inputs, 1), inputs[2])]


class IShapeLayer(ILayer):
    """The shape, as an i64 vector."""

    layer_type = LayerType.SHAPE

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        shape = self.input().shape
        if self.input().facts.shape is not None and -1 not in shape:
            return [graph.node("Identity", graph.integers(shape))]
        return [graph.node("Shape", inputs[0])]


class IConstantLayer(ILayer):
    layer_type = LayerType.CONSTANT

    def __init__(self, shape: Iterable[int], weights: Any) -> None:
        super().__init__()
        self.shape, self.weights = Dims(shape), weights

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        array = weights_array(self.weights)
        size = int(np.prod(self.shape))
        if array is None and size == 0:
            array = np.zeros(0, np.float32)
        if array is None or array.size != size:
            raise UserError(
                "E651",
                f"constant layer '{self.name}' of shape {self.shape} has {0 if array is None else array.size} weights",
            )
        return [graph.node("Identity", graph.constant(array.reshape(list(self.shape))))]


class ISqueezeLayer(ILayer):
    """Removes the axes that input 1 lists."""

    layer_type = LayerType.SQUEEZE
    _operator = "Squeeze"

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        return [graph.node(self._operator, inputs[0], as_i64(graph, self, inputs, 1))]


class IUnsqueezeLayer(ISqueezeLayer):
    """Inserts axes of size 1 at the places that input 1 lists."""

    layer_type = LayerType.UNSQUEEZE
    _operator = "Unsqueeze"


class IFillLayer(ILayer):
    """LINSPACE: alpha + the sum of index * beta. RANDOM: uniform in [alpha, beta], or normal (mean, deviation).

    The shape is `shape`, or input 0; alpha and beta are attributes, or inputs 1 and 2 (LINSPACE).
    """

    layer_type = LayerType.FILL
    evaluated = False

    def __init__(self, shape: Iterable[int], operation: FillOperation, to_type: DataType) -> None:
        super().__init__(None)
        self.shape, self.operation, self.to_type = Dims(shape), operation, to_type
        self.alpha, self.beta = 0.0, 1.0

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        dtype = burnish_dtype(self.to_type)
        if self.operation is FillOperation.LINSPACE:
            return [self._linspace(graph, inputs, dtype)]
        if self.has_input(0):
            raise UserError("E656", f"layer '{self.name}': random numbers need a shape that is known when building")
        if self.operation is FillOperation.RANDOM_UNIFORM:
            attributes = {"low": float(self.alpha), "high": float(self.beta)}
            return [graph.node("RandomUniform", shape=list(self.shape), dtype=dtype.onnx, **attributes)]
        attributes = {"mean": float(self.alpha), "scale": float(self.beta)}
        return [graph.node("RandomNormal", shape=list(self.shape), dtype=dtype.onnx, **attributes)]

    def _linspace(self, graph: Emission, inputs: Sequence[str], dtype: DType) -> str:
        shape = as_i64(graph, self, inputs, 0) if self.has_input(0) else graph.integers(self.shape)
        rank = self.input(0).shape[0] if self.has_input(0) else len(self.shape)
        start = inputs[1] if self.has_input(1) else graph.constant(self.alpha, dtype.numpy)
        total = graph.node("Expand", start, shape)
        for axis in range(rank):
            delta = self._delta(graph, inputs, axis, dtype)
            size = graph.node("Gather", shape, graph.constant(axis, np.int64), axis=0)
            count = graph.node("Range", graph.constant(0, np.int64), size, graph.constant(1, np.int64))
            steps = graph.node("Mul", graph.node("Cast", count, to=dtype.onnx), delta)
            if rank - 1 - axis:
                steps = graph.node("Unsqueeze", steps, graph.integers(range(1, rank - axis)))
            total = graph.node("Add", total, steps)
        return total

    def _delta(self, graph: Emission, inputs: Sequence[str], axis: int, dtype: DType) -> str:
        if not self.has_input(2):
            return graph.constant(self.beta, dtype.numpy)
        if self.input(2).rank == 0:
            return inputs[2]
        return graph.node("Gather", inputs[2], graph.constant(axis, np.int64), axis=0)


class IOneHotLayer(ILayer):
    """values[1] where the index on `axis` is the given one, values[0] elsewhere."""

    layer_type = LayerType.ONE_HOT

    def __init__(self, indices: ITensor, values: ITensor, depth: ITensor, axis: int) -> None:
        super().__init__(indices, values, depth)
        self.axis = axis

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        return [graph.node("OneHot", inputs[0], inputs[2], inputs[1], axis=int(self.axis))]


class INonZeroLayer(ILayer):
    """The indices of the elements that are not zero, [rank, count], in row-major order."""

    layer_type = LayerType.NON_ZERO

    def __init__(self, input: ITensor, indices_type: DataType) -> None:
        super().__init__(input)
        self.indices_type = indices_type

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        found = graph.node("NonZero", inputs[0])
        return [graph.node("Cast", found, to=burnish_dtype(self.indices_type).onnx)]


class IReverseSequenceLayer(ILayer):
    """The first `sequence_lens[i]` elements on `sequence_axis` of slice i of `batch_axis`, reversed."""

    layer_type = LayerType.REVERSE_SEQUENCE

    def __init__(self, input: ITensor, sequence_lens: ITensor) -> None:
        super().__init__(input, sequence_lens)
        self.batch_axis, self.sequence_axis = 1, 0

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        axes = {"batch_axis": int(self.batch_axis), "time_axis": int(self.sequence_axis)}
        return [graph.node("ReverseSequence", inputs[0], as_i64(graph, self, inputs, 1), **axes)]
