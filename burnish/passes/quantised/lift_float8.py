"""Make float8 before what moves elements, so that the kernel that computes the numbers stores codes.

    Q(Transpose(x))  ->  Transpose(Q(x))        also Reshape, Squeeze, Unsqueeze, Flatten, Expand, Slice

Exact. Only where nobody else reads the numbers, and with one scale: `lift_quantize.py` says the same of integers.
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.passes.forms.products import is_shared, matched
from burnish.passes.quantised.attention_to_codes import VIEWS, float8_scale
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip


class LiftFloat8(Rule):
    op_types = ("QuantizeLinear",)

    def find(self, node: ir.Node) -> Match | Skip:
        value = node.inputs[0]
        before = value.producer() if value is not None else None
        if value is None or before is None or before.domain or before.op_type not in (*VIEWS, "Slice"):
            return Skip("nothing moves its input")
        x, scale = before.inputs[0], float8_scale(node)
        if isinstance(scale, Skip):
            return scale
        if x is None or is_shared(value) or is_shared(x) or before.graph is not node.graph:
            return Skip(f"{value.name} has other users, or what it is moved from")
        return matched(node, (node, before), before=before)

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        node, before = match.root, match.before
        codes = op.QuantizeLinear(
            before.inputs[0], *node.inputs[1:], _name=node.name, **{k: a.value for k, a in node.attributes.items()}
        )
        codes.shape, codes.type = before.inputs[0].shape, node.outputs[0].type
        kept = {k: a.value for k, a in before.attributes.items()}
        return op.node(before.op_type, codes, *before.inputs[1:], _name=before.name, **kept)  # type: ignore[no-any-return]
