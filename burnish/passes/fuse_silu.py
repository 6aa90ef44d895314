"""Recognise SiLU and its scaled form, x * sigmoid(alpha * x), as ONNX's Swish.

    x * sigmoid(x)             ->  Swish(x)
    x * sigmoid(alpha * x)     ->  Swish(x, alpha)        alpha = 1.702 is the quick GELU

Exact. Runs after common subexpressions (x is one value); before epilogues are formed.
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.passes.forms.products import fits_attribute, keeps_rank, matched, product_of
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip, shared_inner_value


class FuseSilu(Rule):
    op_types = ("Mul",)

    def find(self, node: ir.Node) -> Match | Skip:
        left, right = node.inputs
        assert left is not None and right is not None, f"{node.name}: an input is missing"
        for x, gate in ((left, right), (right, left)):
            sigmoid = gate.producer()
            if sigmoid is None or sigmoid.op_type != "Sigmoid" or sigmoid.graph is not node.graph:
                continue
            value = sigmoid.inputs[0]
            assert value is not None
            argument = product_of(value)
            if value is not x and argument.only() is not x:
                continue
            alpha = 1.0 if value is x else argument.scale
            nodes = () if value is x else argument.nodes
            if not keeps_rank(x, argument):
                return Skip(f"a number beside {x.name} has a higher rank than it")
            if not fits_attribute(alpha, x.dtype):
                return Skip(f"{alpha} would be rounded to f32 beside {x.name}, which is f64")
            match = matched(node, (node, sigmoid, *nodes), x=x, alpha=alpha)
            return shared_inner_value(match) or match
        return Skip(f"{node.name} does not multiply a value with a sigmoid of it")

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        return op.Swish(match.x, alpha=None if match.alpha == 1 else match.alpha)  # type: ignore[no-any-return]
