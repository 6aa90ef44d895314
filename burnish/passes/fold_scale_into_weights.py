"""Fold a constant scale after a linear node into its weights.

    (op(x, W) + b) * s  ->  op(x, W * s) + b * s       op: Conv, ConvTranspose, Gemm, MatMul; s per channel, or / s

Exact in real arithmetic; one rounding per weight. Runs after BatchNorm is folded. ConvNeXt's layer scales fold here.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.linear import emit_linear, find_linear_and_constant, refuse_overflow
from burnish.passes.forms.products import matched
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip


class FoldScaleIntoWeights(Rule):
    op_types = ("Mul", "Div")

    def find(self, node: ir.Node) -> Match | Skip:
        found = find_linear_and_constant(node, (0, 1) if node.op_type == "Mul" else (0,))
        if isinstance(found, Skip):
            return found
        linear, scale = found
        if node.op_type == "Div":
            with np.errstate(divide="ignore"):
                scale = 1 / scale
        if not np.isfinite(scale).all():
            return Skip(f"the scale of {node.name} is not finite")
        overflow = refuse_overflow(linear, scale)
        return overflow or matched(node, (node, *linear.nodes), linear=linear, scale=scale)

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        return emit_linear(op, match.linear, match.scale, None)
