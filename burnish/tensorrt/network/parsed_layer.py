"""A layer that came from an ONNX file: one node, kept as it is.

Its outputs keep the names that the file gives them, so that subgraphs (If, Loop, Scan), which name what they take from
outside, stay right whatever the user calls the tensors.
"""

from __future__ import annotations

from collections.abc import Sequence

import onnx

from burnish.tensorrt.enums import LayerType
from burnish.tensorrt.network.emission import Emission
from burnish.tensorrt.network.layer import ILayer
from burnish.tensorrt.network.tensor import Facts, ITensor

LAYER_TYPES = {
    LayerType.CONVOLUTION: "Conv ConvInteger QLinearConv",
    LayerType.DECONVOLUTION: "ConvTranspose",
    LayerType.ACTIVATION: "Relu Sigmoid Tanh LeakyRelu Elu Selu Softsign Softplus Clip HardSigmoid Gelu",
    LayerType.POOLING: "MaxPool AveragePool GlobalAveragePool GlobalMaxPool LpPool",
    LayerType.LRN: "LRN",
    LayerType.SCALE: "BatchNormalization",
    LayerType.SOFTMAX: "Softmax LogSoftmax",
    LayerType.CONCATENATION: "Concat",
    LayerType.ELEMENTWISE: "Add Sub Mul Div Pow Max Min And Or Xor Equal Greater Less GreaterOrEqual LessOrEqual Mod",
    LayerType.UNARY: "Exp Log Sqrt Reciprocal Abs Neg Sin Cos Ceil Floor Erf Not Sign Round IsInf IsNaN",
    LayerType.PADDING: "Pad",
    LayerType.SHUFFLE: "Reshape Transpose Flatten DepthToSpace SpaceToDepth",
    LayerType.REDUCE: "ReduceSum ReduceProd ReduceMax ReduceMin ReduceMean ReduceL1 ReduceL2 ReduceSumSquare",
    LayerType.TOPK: "TopK ArgMax ArgMin",
    LayerType.GATHER: "Gather GatherElements GatherND",
    LayerType.SCATTER: "ScatterElements ScatterND",
    LayerType.MATRIX_MULTIPLY: "MatMul Gemm",
    LayerType.CONSTANT: "Constant",
    LayerType.CAST: "Cast CastLike",
    LayerType.SLICE: "Slice Split",
    LayerType.SHAPE: "Shape",
    LayerType.PARAMETRIC_RELU: "PRelu",
    LayerType.RESIZE: "Resize",
    LayerType.SELECT: "Where",
    LayerType.FILL: "ConstantOfShape Range RandomUniform RandomNormal",
    LayerType.QUANTIZE: "QuantizeLinear",
    LayerType.DEQUANTIZE: "DequantizeLinear",
    LayerType.EINSUM: "Einsum",
    LayerType.ONE_HOT: "OneHot",
    LayerType.NON_ZERO: "NonZero",
    LayerType.NMS: "NonMaxSuppression",
    LayerType.GRID_SAMPLE: "GridSample",
    LayerType.REVERSE_SEQUENCE: "ReverseSequence",
    LayerType.NORMALIZATION: "LayerNormalization GroupNormalization InstanceNormalization RMSNormalization",
    LayerType.SQUEEZE: "Squeeze",
    LayerType.UNSQUEEZE: "Unsqueeze",
    LayerType.CUMULATIVE: "CumSum",
    LayerType.IDENTITY: "Identity Dropout",
    LayerType.CONDITION: "If",
    LayerType.RECURRENCE: "Loop Scan LSTM GRU RNN",
}
_TYPE_OF = {op_type: layer for layer, names in LAYER_TYPES.items() for op_type in names.split()}


class OnnxLayer(ILayer):
    """`outer`: values that the node's subgraphs take from outside without listing them; inputs after the listed."""

    def __init__(
        self, node: onnx.NodeProto, inputs: Sequence[ITensor | None], outer: Sequence[ITensor], facts: Sequence[Facts]
    ) -> None:
        super().__init__(*inputs, *outer, outputs=len(node.output))
        self._node = node
        self._listed = len(inputs)
        self.name = node.name
        self.layer_type = _TYPE_OF.get(node.op_type, LayerType.PLUGIN_V2)
        for tensor, name in zip(self._outputs, node.output):
            tensor.name = tensor._value_name = name
        self._facts = tuple(facts)

    def emit(self, graph: Emission, inputs: Sequence[str]) -> Sequence[str]:
        node = onnx.NodeProto()
        node.CopyFrom(self._node)
        del node.input[:]
        node.input.extend(inputs[: self._listed])
        graph.nodes.append(node)
        return list(node.output)

    def _infer(self) -> tuple[Facts, ...]:
        if self.num_inputs > self._listed:  # a subgraph's own names cannot be followed from here
            return tuple(Facts(self._node_type(n), None) for n in range(self.num_outputs))
        return super()._infer()

    def _node_type(self, output: int) -> int:
        body = next((a.g for a in self._node.attribute if a.HasField("g")), None)
        known = body is not None and output < len(body.output)
        return body.output[output].type.tensor_type.elem_type if known and body is not None else 1
