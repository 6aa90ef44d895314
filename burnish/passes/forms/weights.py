"""The products that multiply data by a weight, and which axes of the weight count what they make and what they sum."""

from __future__ import annotations

import onnx_ir as ir

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def weight_axes(node: ir.Node, rank: int) -> tuple[int, int]:
    """(outputs, inputs): the axes of a product's weight. Of a grouped Conv, the inputs are those of a group."""
    if node.op_type == "MatMul":
        return rank - 1, rank - 2
    is_turned = node.op_type == "Conv" or node.attributes.get_int("transB", 0) == 1
    return (0, 1) if is_turned else (1, 0)
