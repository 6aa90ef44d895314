"""The effect of each operator on rounding errors: which may be narrow, which must stay f32, and why.

product    sums of products: they take most of the time, and are accumulated in f32 for every type of operands
follower   adds at most its own rounding, and computes in f32 registers: narrow if its inputs are narrow
table      a follower whose data is a constant: an embedding
           everything else stays f32, for the reason in `KEPT`
"""

from __future__ import annotations

import onnx_ir as ir

PRODUCTS = frozenset({"MatMul", "Gemm", "Conv", "ConvTranspose", "Einsum", "Attention", "MatMulNBits"})
FOLLOWERS = frozenset({
    # activations
    "Relu", "LeakyRelu", "PRelu", "Elu", "Celu", "Selu", "Gelu", "Mish", "Swish", "Sigmoid", "HardSigmoid", "HardSwish",
    "Tanh", "Erf", "Softplus", "Softsign", "ThresholdedRelu", "Clip",
    # arithmetic without cancellation of its own, choices
    "Add", "Sub", "Mul", "Neg", "Abs", "Max", "Min", "Sum", "Mean", "Where",
    # normalisations and softmax: statistics in f32 inside the kernel
    "LayerNormalization", "RMSNormalization", "GroupNormalization", "InstanceNormalization", "BatchNormalization",
    "Softmax", "LogSoftmax",
    # pooling and means: summed in f32, and no larger than their inputs
    "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceMax", "ReduceMin",
    # movement
    "Identity", "Reshape", "Transpose", "Flatten", "Squeeze", "Unsqueeze", "Concat", "Slice", "Split", "Expand", "Tile",
    "Pad", "Gather", "GatherElements", "GatherND", "DepthToSpace", "SpaceToDepth", "Resize", "ReverseSequence", "Trilu",
    "RotaryEmbedding",
})  # fmt: skip
SELECTS = frozenset({"Where", "Clip", "Max", "Min", "Pad"})  # where a huge constant means "no bound" or "never"
# inputs that keep their type whatever the node does: masks with -3e38 in them, statistics, sizes
KEEPS_INPUTS = {
    "Attention": (3,), "BatchNormalization": (1, 2, 3, 4), "MatMulNBits": (1, 2, 3, 4, 5), "Resize": (1, 2),
}  # fmt: skip

_GROWS = "its result has another range than its input, and loses digits in a narrow tensor"
_SUMS = "a sum may leave the narrow range"
_ORDER = "a rounded value may change which one is chosen"
_STEPS = "errors feed back from step to step"
_STATED = "the model states these types"
KEPT = {
    **dict.fromkeys(("Exp", "Log", "Pow", "Sqrt", "Reciprocal", "Div", "Sin", "Cos", "Tan", "Mod"), _GROWS),
    **dict.fromkeys(("Sinh", "Cosh", "Asin", "Acos", "Atan", "Asinh", "Acosh", "Atanh"), _GROWS),
    **dict.fromkeys(("ReduceSum", "ReduceProd", "ReduceSumSquare", "ReduceL1", "ReduceL2", "CumSum", "CumProd"), _SUMS),
    **dict.fromkeys(("ReduceLogSum", "ReduceLogSumExp", "LpNormalization", "LRN", "LpPool", "GlobalLpPool"), _SUMS),
    "MeanVarianceNormalization": _SUMS,
    **dict.fromkeys(("ArgMax", "ArgMin", "TopK", "Hardmax", "NonMaxSuppression", "RoiAlign", "MaxRoiPool"), _ORDER),
    **dict.fromkeys(("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Floor", "Ceil", "Round"), _ORDER),
    **dict.fromkeys(("Sign", "IsNaN", "IsInf", "Unique"), _ORDER),
    **dict.fromkeys(("LSTM", "GRU", "RNN", "Loop", "Scan"), _STEPS),
    **dict.fromkeys(("Cast", "CastLike", "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"), _STATED),
    "If": "its sides give different shapes, and run on the reference kernel",
    "GridSample": "coordinates lose their place in a narrow tensor",
}


def is_packed(node: ir.Node) -> bool:
    """Is it a product whose weights are kept in few bits?"""
    return (node.op_type, node.domain) == ("MatMulNBits", "com.microsoft")


def multiplies_pairs(node: ir.Node) -> bool:
    """Are the codes of a packed product multiplied as bf16? Not those of 8 bits, or whose zero points are no codes."""
    zero = node.inputs[3] if len(node.inputs) > 3 else None
    is_code = zero is None or zero.dtype == ir.DataType.UINT8
    return is_code and node.attributes.get_int("bits", 4) < 8


def reason_kept(op_type: str, domain: str) -> str:
    """The reason why an operator that is neither product nor follower stays f32."""
    if op_type == "MatMulNBits":
        return "its weights are kept in fewer bits, which f32 data multiply"
    if domain not in ("", "ai.onnx"):
        return f"an operator of {domain}"
    return KEPT.get(op_type, "not known to be safe in a narrow type")
