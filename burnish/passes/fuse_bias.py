"""A constant that is added after a linear node becomes its bias.

    op(x, W) + t           ->  op(x, W, b + t)       op: Conv, ConvTranspose, Gemm; t per channel
    MatMul(x, W) + t       ->  Gemm(x, W, t)         x[M, K], W[K, N], t[N]

A MatMul of higher rank keeps its Add: the lowering makes it an epilogue. Exact; one rounding where biases are summed.
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.passes.forms.linear import emit_linear, find_linear_and_constant
from burnish.passes.forms.products import matched, rank_of
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip


class FuseBias(Rule):
    op_types = ("Add",)

    def find(self, node: ir.Node) -> Match | Skip:
        found = find_linear_and_constant(node, (0, 1))
        if isinstance(found, Skip):
            return found
        linear, shift = found
        rank = rank_of(linear.nodes[0].outputs[0])
        if linear.node.op_type == "MatMul" and rank != 2:
            return Skip(f"{linear.nodes[0].outputs[0].name} has rank {rank}, not 2: its bias is added in the epilogue")
        return matched(node, (node, *linear.nodes), linear=linear, shift=shift)

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        return emit_linear(op, match.linear, None, match.shift)
