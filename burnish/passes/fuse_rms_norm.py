"""Recognise RMSNorm.

    x / sqrt(mean(x**2, axes) + eps) * w   ->  RMSNormalization(x, w)

All forms of forms/normalization.py are recognised. Exact in real arithmetic. Runs after LayerNorm is recognised.
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.passes.forms.normalization import emit, find_normalization
from burnish.passes.forms.products import matched
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip, shared_inner_value


class FuseRmsNorm(Rule):
    op_types = ("Mul", "Div")

    def find(self, node: ir.Node) -> Match | Skip:
        found = find_normalization(node, with_bias=False)
        if isinstance(found, Skip):
            return found
        if found.centred is not None:
            return Skip(f"the square root is of the variance of {found.centred.name}, not of a mean of squares")
        match = matched(found.root, found.nodes, x=found.d, norm=found)
        return shared_inner_value(match) or match

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        return emit(op, match.norm, match.x, "RMSNormalization")
