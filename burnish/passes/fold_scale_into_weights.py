"""Fold a constant scale after a linear node into its weights.

    (op(x, W) + b) * s  ->  op(x, W * s) + b * s       op: Conv, ConvTranspose, Gemm, MatMul; s per channel, or / s

Exact in real arithmetic; one rounding per weight. After BatchNorm is folded; layer scales of ConvNeXt vanish here.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.passes.linear import emit_linear, find_linear, per_channel, refuse_overflow
from burnish.passes.products import matched
from burnish.passes.rule import Builder, Match, Rule, Skip


class FoldScaleIntoWeights(Rule):
    op_types = ("Mul", "Div")

    def find(self, node: ir.Node) -> Match | Skip:
        left, right = node.inputs
        assert left is not None and right is not None, f"{node.name}: an input is missing"
        refused = Skip(f"{node.name} scales nothing that has weights")
        for value, other in ((left, right), (right, left))[: 2 if node.op_type == "Mul" else 1]:
            linear = find_linear(value, node)
            scale = per_channel(other, linear) if not isinstance(linear, Skip) else linear
            if isinstance(linear, Skip) or isinstance(scale, Skip):
                refused = scale if isinstance(scale, Skip) else refused
                continue
            if node.op_type == "Div":
                with np.errstate(divide="ignore"):
                    scale = 1 / scale
            if not np.isfinite(scale).all():
                return Skip(f"{other.name} is not finite or divides by 0")
            overflow = refuse_overflow(linear, scale)
            return overflow or matched(node, (node, *linear.nodes), linear=linear, scale=scale)
        return refused

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        return emit_linear(op, match.linear, match.scale, None)
