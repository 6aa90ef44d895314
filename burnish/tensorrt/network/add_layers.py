"""The add_... methods of INetworkDefinition, by TensorRT's names and argument names, those of TensorRT 8 included."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from burnish.errors import UserError
from burnish.tensorrt.datatype import DataType
from burnish.tensorrt.enums import (
    ActivationType,
    CumulativeOperation,
    ElementWiseOperation,
    FillOperation,
    GatherMode,
    MatrixOperation,
    PoolingType,
    ReduceOperation,
    ScaleMode,
    ScatterMode,
    TopKOperation,
    UnaryOperation,
)
from burnish.tensorrt.layers import pointwise, reduction, sampling, window
from burnish.tensorrt.layers import shape as shapes
from burnish.tensorrt.network.layer import ILayer
from burnish.tensorrt.network.tensor import ITensor

L = TypeVar("L", bound=ILayer)
Shape = Iterable[int]

REFUSED = {
    "add_loop": "use burnish.build on an ONNX model with Loop or Scan",
    "add_if_conditional": "use burnish.build on an ONNX model with If, or add_select",
    "add_plugin": "write the operator with layers, or define it in burnish/ops (docs/adding-an-operator.md)",
    "add_plugin_v2": "write the operator with layers, or define it in burnish/ops (docs/adding-an-operator.md)",
    "add_plugin_v3": "write the operator with layers, or define it in burnish/ops (docs/adding-an-operator.md)",
    "add_rnn_v2": "use burnish.build on an ONNX model with LSTM, GRU or RNN",
    "add_ragged_softmax": "use add_select on a mask, then add_softmax",
    "add_assertion": "check the condition in the script that runs the engine",
    "add_dynamic_quantize": "use add_quantize with a scale",
    "add_attention": "write it with add_matrix_multiply and add_softmax; the build recognises and fuses it",
    "add_rotary_embedding": "write it with add_slice, add_elementwise and add_concatenation",
    "add_kv_cache_update": "pass the cache as an input and the grown cache as an output",
    "add_moe": "write it with layers",
    "add_dist_collective": "one plan runs on one device",
}


class LayerMethods:
    """What INetworkDefinition inherits; `_add` keeps the layer and names it."""

    def _add(self, layer: L) -> L:
        raise AssertionError("INetworkDefinition defines _add")

    def __getattr__(self, name: str) -> Any:
        if name in REFUSED:
            raise UserError("E656", f"INetworkDefinition.{name} has no counterpart in Burnish", hint=REFUSED[name])
        raise AttributeError(f"{type(self).__name__} has no attribute '{name}'")

    def add_convolution_nd(
        self, input: ITensor, num_output_maps: int, kernel_shape: Shape, kernel: Any = None, bias: Any = None
    ) -> window.IConvolutionLayer:
        return self._add(window.IConvolutionLayer(input, num_output_maps, kernel_shape, kernel, bias))

    add_convolution = add_convolution_nd

    def add_deconvolution_nd(
        self, input: ITensor, num_output_maps: int, kernel_shape: Shape, kernel: Any = None, bias: Any = None
    ) -> window.IDeconvolutionLayer:
        return self._add(window.IDeconvolutionLayer(input, num_output_maps, kernel_shape, kernel, bias))

    add_deconvolution = add_deconvolution_nd

    def add_fully_connected(
        self, input: ITensor, num_outputs: int, kernel: Any, bias: Any = None
    ) -> window.IFullyConnectedLayer:
        return self._add(window.IFullyConnectedLayer(input, num_outputs, kernel, bias))

    def add_pooling_nd(self, input: ITensor, type: PoolingType, window_size: Shape) -> window.IPoolingLayer:
        return self._add(window.IPoolingLayer(input, type, window_size))

    add_pooling = add_pooling_nd

    def add_padding_nd(self, input: ITensor, pre_padding: Shape, post_padding: Shape) -> window.IPaddingLayer:
        return self._add(window.IPaddingLayer(input, pre_padding, post_padding))

    add_padding = add_padding_nd

    def add_activation(self, input: ITensor, type: ActivationType) -> pointwise.IActivationLayer:
        return self._add(pointwise.IActivationLayer(input, type))

    def add_elementwise(
        self, input1: ITensor, input2: ITensor, op: ElementWiseOperation
    ) -> pointwise.IElementWiseLayer:
        return self._add(pointwise.IElementWiseLayer(input1, input2, op))

    def add_unary(self, input: ITensor, op: UnaryOperation) -> pointwise.IUnaryLayer:
        return self._add(pointwise.IUnaryLayer(input, op))

    def add_scale(
        self, input: ITensor, mode: ScaleMode, shift: Any = None, scale: Any = None, power: Any = None
    ) -> pointwise.IScaleLayer:
        return self._add(pointwise.IScaleLayer(input, mode, shift, scale, power, 1))

    def add_scale_nd(
        self,
        input: ITensor,
        mode: ScaleMode,
        shift: Any = None,
        scale: Any = None,
        power: Any = None,
        channel_axis: int = 1,
    ) -> pointwise.IScaleLayer:
        return self._add(pointwise.IScaleLayer(input, mode, shift, scale, power, channel_axis))

    def add_select(self, condition: ITensor, then_input: ITensor, else_input: ITensor) -> pointwise.ISelectLayer:
        return self._add(pointwise.ISelectLayer(condition, then_input, else_input))

    def add_identity(self, input: ITensor) -> pointwise.IIdentityLayer:
        return self._add(pointwise.IIdentityLayer(input))

    def add_cast(self, input: ITensor, to_type: DataType) -> pointwise.ICastLayer:
        return self._add(pointwise.ICastLayer(input, to_type))

    def add_parametric_relu(self, input: ITensor, slopes: ITensor) -> pointwise.IParametricReLULayer:
        return self._add(pointwise.IParametricReLULayer(input, slopes))

    def add_lrn(self, input: ITensor, window: int, alpha: float, beta: float, k: float) -> pointwise.ILRNLayer:
        return self._add(pointwise.ILRNLayer(input, window, alpha, beta, k))

    def add_quantize(
        self, input: ITensor, scale: ITensor, output_type: DataType = DataType.INT8
    ) -> pointwise.IQuantizeLayer:
        return self._add(pointwise.IQuantizeLayer(input, scale, output_type))

    def add_dequantize(
        self, input: ITensor, scale: ITensor, output_type: DataType = DataType.FLOAT
    ) -> pointwise.IDequantizeLayer:
        return self._add(pointwise.IDequantizeLayer(input, scale, output_type))

    def add_shuffle(self, input: ITensor) -> shapes.IShuffleLayer:
        return self._add(shapes.IShuffleLayer(input))

    def add_concatenation(self, inputs: Sequence[ITensor]) -> shapes.IConcatenationLayer:
        return self._add(shapes.IConcatenationLayer(inputs))

    def add_gather(self, input: ITensor, indices: ITensor, axis: int) -> shapes.IGatherLayer:
        return self._add(shapes.IGatherLayer(input, indices, axis, GatherMode.DEFAULT))

    def add_gather_v2(self, input: ITensor, indices: ITensor, mode: GatherMode) -> shapes.IGatherLayer:
        return self._add(shapes.IGatherLayer(input, indices, 0, mode))

    def add_scatter(self, data: ITensor, indices: ITensor, updates: ITensor, mode: ScatterMode) -> shapes.IScatterLayer:
        return self._add(shapes.IScatterLayer(data, indices, updates, mode))

    def add_shape(self, input: ITensor) -> shapes.IShapeLayer:
        return self._add(shapes.IShapeLayer(input))

    def add_constant(self, shape: Shape, weights: Any) -> shapes.IConstantLayer:
        return self._add(shapes.IConstantLayer(shape, weights))

    def add_squeeze(self, input: ITensor, axes: ITensor) -> shapes.ISqueezeLayer:
        return self._add(shapes.ISqueezeLayer(input, axes))

    def add_unsqueeze(self, input: ITensor, axes: ITensor) -> shapes.IUnsqueezeLayer:
        return self._add(shapes.IUnsqueezeLayer(input, axes))

    def add_fill(self, shape: Shape, op: FillOperation, output_type: DataType = DataType.FLOAT) -> shapes.IFillLayer:
        return self._add(shapes.IFillLayer(shape, op, output_type))

    def add_one_hot(self, indices: ITensor, values: ITensor, depth: ITensor, axis: int) -> shapes.IOneHotLayer:
        return self._add(shapes.IOneHotLayer(indices, values, depth, axis))

    def add_non_zero(self, input: ITensor, indices_type: DataType = DataType.INT32) -> shapes.INonZeroLayer:
        return self._add(shapes.INonZeroLayer(input, indices_type))

    def add_reverse_sequence(self, input: ITensor, sequence_lens: ITensor) -> shapes.IReverseSequenceLayer:
        return self._add(shapes.IReverseSequenceLayer(input, sequence_lens))

    def add_slice(self, input: ITensor, start: Shape, shape: Shape, stride: Shape) -> sampling.ISliceLayer:
        return self._add(sampling.ISliceLayer(input, start, shape, stride))

    def add_resize(self, input: ITensor) -> sampling.IResizeLayer:
        return self._add(sampling.IResizeLayer(input))

    def add_grid_sample(self, input: ITensor, grid: ITensor) -> sampling.IGridSampleLayer:
        return self._add(sampling.IGridSampleLayer(input, grid))

    def add_nms(
        self,
        boxes: ITensor,
        scores: ITensor,
        max_output_boxes_per_class: ITensor,
        indices_type: DataType = DataType.INT32,
    ) -> sampling.INMSLayer:
        return self._add(sampling.INMSLayer(boxes, scores, max_output_boxes_per_class, indices_type))

    def add_reduce(self, input: ITensor, op: ReduceOperation, axes: int, keep_dims: bool) -> reduction.IReduceLayer:
        return self._add(reduction.IReduceLayer(input, op, axes, keep_dims))

    def add_softmax(self, input: ITensor) -> reduction.ISoftMaxLayer:
        return self._add(reduction.ISoftMaxLayer(input))

    def add_topk(
        self, input: ITensor, op: TopKOperation, k: int, axes: int, indices_type: DataType = DataType.INT32
    ) -> reduction.ITopKLayer:
        return self._add(reduction.ITopKLayer(input, op, k, axes, indices_type))

    def add_matrix_multiply(
        self, input0: ITensor, op0: MatrixOperation, input1: ITensor, op1: MatrixOperation
    ) -> reduction.IMatrixMultiplyLayer:
        return self._add(reduction.IMatrixMultiplyLayer(input0, op0, input1, op1))

    def add_einsum(self, inputs: Sequence[ITensor], equation: str) -> reduction.IEinsumLayer:
        return self._add(reduction.IEinsumLayer(inputs, equation))

    def add_normalization(
        self, input: ITensor, scale: ITensor, bias: ITensor, axesMask: int
    ) -> reduction.INormalizationLayer:
        return self._add(reduction.INormalizationLayer(input, scale, bias, axesMask))

    add_normalization_v2 = add_normalization

    def add_cumulative(
        self, input: ITensor, axis: ITensor, op: CumulativeOperation, exclusive: bool, reverse: bool
    ) -> reduction.ICumulativeLayer:
        return self._add(reduction.ICumulativeLayer(input, axis, op, exclusive, reverse))
