"""Find the Casts of a model to f16 or bf16 that must round.

    Cast(x f32 -> f16) -> Cast(-> i32)       the integer depends on the rounding: it is kept
    Cast(x f32 -> f16) -> MatMul f16         only a narrow tensor is needed: f32 in registers is more exact

Arithmetic in f16 may be computed in f32: every value is then at least as exact. But a value that is rounded and then
read as integer, bool or f32 must be the rounded one.
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.ops.language.node_view import KEEPS_EXCESS
from burnish.passes.remove_no_ops import holds_exactly

HALF = (ir.DataType.FLOAT16, ir.DataType.BFLOAT16)
MOVES = frozenset({
    "Concat", "DepthToSpace", "Dropout", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Identity", "Pad",
    "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze", "Where",
})  # fmt: skip
ARITHMETIC = frozenset({  # continuous: a result in the same type differs by as little as its input
    "Abs", "Add", "Attention", "AveragePool", "BatchNormalization", "Clip", "Conv", "ConvTranspose", "Cos", "CumSum",
    "Div", "Einsum", "Elu", "Erf", "Exp", "Gelu", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "GroupNormalization",
    "HardSigmoid", "HardSwish", "InstanceNormalization", "LayerNormalization", "LeakyRelu", "Log", "LogSoftmax",
    "MatMul", "Max", "MaxPool", "Mean", "Min", "Mul", "Neg", "PRelu", "Pow", "RMSNormalization", "Reciprocal",
    "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Relu", "Resize", "RotaryEmbedding", "Selu",
    "Sigmoid", "Sin", "Softmax", "Softplus", "Sqrt", "Sub", "Sum", "Tanh",
})  # fmt: skip


def must_round(node: ir.Node, is_inner: bool = False) -> bool:
    """Whether a node is a Cast to a narrow float, and some reader of its result depends on the rounding.

    is_inner: it is in a side of an If or in a loop's body; the users of their results are unknown
    """
    if node.op_type not in ("Cast", "CastLike") or node.domain or node.inputs[0] is None:
        return False
    source, narrow = node.inputs[0].dtype, node.outputs[0].dtype
    if narrow not in HALF or source is None or holds_exactly(narrow, source):
        return False
    return _is_told(node.outputs[0], is_inner)


def release_casts(model: ir.Model) -> None:
    """Mark the Casts that need no rounding, for targets with arithmetic of that width."""
    for node in model.graph.all_nodes():
        is_narrow = node.op_type in ("Cast", "CastLike") and node.outputs[0].dtype in HALF
        if is_narrow and not must_round(node, node.graph is not model.graph):
            node.meta[KEEPS_EXCESS] = True


def _is_told(value: ir.Value, is_inner: bool) -> bool:
    if is_inner and value.is_graph_output():
        return True
    for user, _ in value.uses():
        if user.domain:
            return True
        if user.op_type in MOVES:
            if any(_is_told(v, is_inner) for v in user.outputs):
                return True
        elif user.op_type not in ARITHMETIC:
            return True
    return False
