"""The ranks that operators require of their inputs. Definitions index axes without a check, so it is made here."""

from __future__ import annotations

from burnish.ops.language.definition import NodeView

ANY = 1 << 30
RANKS: dict[str, tuple[tuple[int, int], ...]] = {
    "AveragePool": ((3, ANY),),
    "BatchNormalization": ((1, ANY), (1, 1), (1, 1), (1, 1), (1, 1)),
    "Conv": ((3, ANY), (3, ANY), (1, 1)),
    "ConvInteger": ((3, ANY), (3, ANY)),
    "ConvTranspose": ((3, ANY), (3, ANY), (1, 1)),
    "DepthToSpace": ((4, 4),),
    "GRU": ((3, 3), (3, 3), (3, 3), (2, 2), (1, 1), (3, 3)),
    "Gemm": ((2, 2), (2, 2), (0, 2)),
    "GlobalAveragePool": ((3, ANY),),
    "GlobalLpPool": ((3, ANY),),
    "GlobalMaxPool": ((3, ANY),),
    "GridSample": ((4, 5), (4, 5)),
    "GroupNormalization": ((3, ANY), (1, 1), (1, 1)),
    "InstanceNormalization": ((3, ANY), (1, 1), (1, 1)),
    "LRN": ((2, ANY),),
    "LSTM": ((3, 3), (3, 3), (3, 3), (2, 2), (1, 1), (3, 3), (3, 3), (2, 2)),
    "LpPool": ((3, ANY),),
    "MatMul": ((1, ANY), (1, ANY)),
    "MatMulInteger": ((1, ANY), (1, ANY)),
    "MaxPool": ((3, ANY),),
    "QLinearConv": ((3, ANY), (0, 1), (0, 1), (3, ANY), (0, 1), (0, 1), (0, 1), (0, 1), (1, 1)),
    "QLinearMatMul": ((1, ANY), (0, ANY), (0, ANY), (1, ANY)),
    "RNN": ((3, 3), (3, 3), (3, 3), (2, 2), (1, 1), (3, 3)),
    "SpaceToDepth": ((4, 4),),
}


def why_not_taken(node: NodeView) -> str:
    """The input whose rank its operator does not accept, or nothing."""
    if node.domain not in ("", "ai.onnx"):
        return ""
    for index, ((low, high), tensor) in enumerate(zip(RANKS.get(node.op_type, ()), node.inputs)):
        if tensor is not None and not low <= tensor.rank <= high:
            wanted = str(low) if low == high else f"{low} or more" if high == ANY else f"{low} to {high}"
            return f"input {index} has {tensor.rank} axes, and not {wanted}"
    return ""
