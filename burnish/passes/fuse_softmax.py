"""Recognise Softmax.

    e = exp(x - max(x, axis)),   e / sum(e, axis)   ->  Softmax(x, axis)       the maximum may be left out

Exact in real arithmetic. If exp overflowed without the maximum, the result is now correct. Runs after
canonicalize_clip (which drops a Max with -inf), before attention is recognised.
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.passes.forms.products import is_shared, matched, product_of, sum_of
from burnish.passes.forms.reductions import Reduction, reduction_of
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip, shared_inner_value


class FuseSoftmax(Rule):
    op_types = ("Div", "Mul")

    def find(self, node: ir.Node) -> Match | Skip:
        outer = product_of(node.outputs[0])
        powers = {power: value for value, power in outer.powers.items()}
        value, total = powers.get(1.0), powers.get(-1.0)
        if value is None or total is None or len(outer.powers) != 2 or outer.scale != 1:
            return Skip(f"{node.name} is no quotient of two values")
        exp, reduction = value.producer(), reduction_of(total, "ReduceSum")
        if exp is None or exp.op_type != "Exp" or reduction is None or reduction.x is not value:
            return Skip(f"{node.name} does not divide an Exp by its sum")
        if len(reduction.axes) != 1:
            return Skip(f"{total.name} sums over axes {reduction.axes}, not one")
        argument = exp.inputs[0]
        assert argument is not None
        x, shift_nodes = _without_maximum(argument, reduction)
        nodes = (*outer.nodes, *reduction.nodes, exp, *shift_nodes)
        match = matched(node, nodes, x=x, axis=reduction.axes[0])
        return shared_inner_value(match) or match

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        return op.Softmax(match.x, axis=match.axis - len(match.x.shape))  # type: ignore[no-any-return]


def _without_maximum(argument: ir.Value, total: Reduction) -> tuple[ir.Value, tuple[ir.Node, ...]]:
    """(x, nodes) if the argument is x - max(x) over the same axis, otherwise the argument itself."""
    if is_shared(argument):
        return argument, ()
    difference = sum_of(argument)
    signs = {sign: value for value, sign in difference.terms}
    x, subtracted = signs.get(1), signs.get(-1)
    if x is None or subtracted is None or len(difference.terms) != 2 or difference.constant:
        return argument, ()
    found = reduction_of(subtracted, "ReduceMax")
    if found is None or found.x is not x or found.axes != total.axes:
        return argument, ()
    return x, (*difference.nodes, *found.nodes)
