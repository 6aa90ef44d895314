"""Make a constant added after a linear node its bias.

    op(x, W) + t           ->  op(x, W, b + t)       op: Conv, ConvTranspose, Gemm; t per channel
    MatMul(x, W) + t       ->  Gemm(x, W, t)         x[M, K], W[K, N], t[N]

A MatMul of higher rank keeps its Add: the lowering makes it an epilogue. Exact; one rounding where biases are summed.
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.passes.linear import emit_linear, find_linear, per_channel
from burnish.passes.products import matched, rank_of
from burnish.passes.rule import Builder, Match, Rule, Skip


class FuseBias(Rule):
    op_types = ("Add",)

    def find(self, node: ir.Node) -> Match | Skip:
        left, right = node.inputs
        assert left is not None and right is not None, f"{node.name}: an input is missing"
        refused = Skip(f"{node.name} adds to nothing that takes a bias")
        for value, other in ((left, right), (right, left)):
            linear = find_linear(value, node)
            shift = per_channel(other, linear) if not isinstance(linear, Skip) else linear
            if isinstance(linear, Skip) or isinstance(shift, Skip):
                refused = shift if isinstance(shift, Skip) else refused
                continue
            rank = rank_of(value)
            if linear.node.op_type == "MatMul" and (rank != 2 or rank_of(linear.node.inputs[0]) != 2):  # type: ignore[arg-type]
                return Skip(f"{value.name} has rank {rank}, not 2: its bias is added in the epilogue")
            return matched(node, (node, *linear.nodes), linear=linear, shift=shift)
        return refused

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        return emit_linear(op, match.linear, None, match.shift)
