"""Recognise LayerNorm.

    d = x - mean(x, axes)
    d / sqrt(mean(d**2, axes) + eps) * w + b   ->  LayerNormalization(x, w, b)

All forms of forms/normalization.py are recognised. Axes that are not the last ones (a norm over the channels of NCHW)
are moved there by transposes. Exact in real arithmetic. Runs after common subexpressions (d is one value), and before
RMSNorm, which would take d as its x.
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.passes.forms.normalization import emit, find_normalization
from burnish.passes.forms.products import matched, sum_of
from burnish.passes.forms.reductions import mean_of
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip, shared_inner_value


class FuseLayerNorm(Rule):
    op_types = ("Mul", "Div")

    def find(self, node: ir.Node) -> Match | Skip:
        found = find_normalization(node, with_bias=True)
        if isinstance(found, Skip):
            return found
        centred = sum_of(found.d)
        signs = {sign: value for value, sign in centred.terms}
        x, subtracted = signs.get(1), signs.get(-1)
        if x is None or subtracted is None or len(centred.terms) != 2 or centred.constant:
            return Skip(f"{found.d.name} is no difference of x and its mean")
        mean = mean_of(subtracted)
        if mean is None or mean.x is not x or mean.axes != found.axes:
            return Skip(f"{subtracted.name} is not the mean of {x.name} over axes {found.axes}")
        if found.centred is not None and found.centred is not x:
            return Skip(f"the variance is of {found.centred.name}, the difference of {x.name}")
        nodes = (*found.nodes, *centred.nodes, *mean.nodes)
        match = matched(found.root, nodes, x=x, norm=found)
        return shared_inner_value(match) or match

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        return emit(op, match.norm, match.x, "LayerNormalization")
