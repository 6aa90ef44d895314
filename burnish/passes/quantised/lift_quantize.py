"""Quantise before what moves or compares elements, so that codes flow.

    Q(Transpose(x))      ->  Transpose(Q(x))      also Reshape, Squeeze, Unsqueeze, Flatten, Slice, DepthToSpace ...
    Q(MaxPool(x))        ->  MaxPool(Q(x))        scale > 0; Q keeps the order of numbers
    Q(Resize(x))         ->  Resize(Q(x))         nearest
    Q(Concat(x, y))      ->  Concat(Q(x), Q(y))

Exact. Only where nobody else reads the numbers, and with one scale. Runs after DequantizeLinear has sunk, so that the
two do not move back and forth: a DequantizeLinear is never right before one of these.
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.passes.forms.linear import op_name
from burnish.passes.forms.products import is_shared, matched
from burnish.passes.quantised.codes import EIGHT_BITS, read_codes, read_scheme
from burnish.passes.quantised.sink_dequantize import VIEWS, refuse_move
from burnish.passes.rewrite.constants import is_constant
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

KEEPS_ALL = (*VIEWS, "DepthToSpace", "MaxPool", "Resize", "Slice", "SpaceToDepth", "Transpose")


class LiftQuantize(Rule):
    op_types = ("QuantizeLinear",)

    def find(self, node: ir.Node) -> Match | Skip:
        value = node.inputs[0]
        before = value.producer() if value is not None else None
        if value is None or before is None or before.domain or before.op_type not in (*KEEPS_ALL, "Concat"):
            return Skip("nothing moves its input")
        if is_shared(value) or before.graph is not node.graph:
            return Skip(f"{value.name} has other users")
        refused = _refuse(node, before)
        return refused or matched(node, (node, before), before=before)

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        node, before = match.root, match.before
        kept = {k: a.value for k, a in node.attributes.items()}
        count = len(before.inputs) if before.op_type == "Concat" else 1
        codes = []
        for index in range(count):
            value = before.inputs[index]
            name = node.name if count == 1 else f"{node.name}/{index}"
            code = op.QuantizeLinear(value, *node.inputs[1:], _name=name, **kept)
            code.shape, code.type = value.shape, node.outputs[0].type
            codes.append(code)
        attributes = {k: a.value for k, a in before.attributes.items()}
        return op.node(before.op_type, *codes, *before.inputs[count:], _name=before.name, **attributes)  # type: ignore[no-any-return]


def _refuse(node: ir.Node, before: ir.Node) -> Skip | None:
    scheme = read_scheme(node, node.outputs[0].dtype)
    if isinstance(scheme, Skip):
        return scheme
    if scheme.axis is not None or scheme.dtype not in EIGHT_BITS or not scheme.has_positive_scale:
        return Skip(f"the scale of {op_name(node)} is not one positive number, or its codes are not of 8 bits")
    return _refuse_concat(before) if before.op_type == "Concat" else _refuse_other(before)


def _refuse_concat(before: ir.Node) -> Skip | None:
    for value in before.inputs:
        if value is None or is_constant(value):
            return Skip("a part is constant")
        codes = read_codes(value)
        if isinstance(codes, Skip) and is_shared(value):
            return Skip(f"{value.name} has other users")
    return None


def _refuse_other(before: ir.Node) -> Skip | None:
    x = before.inputs[0]
    if x is None or is_shared(x) or not isinstance(read_codes(x), Skip):
        return Skip("its input has other users, or codes already")
    return refuse_move(before, None)


RULES = (LiftQuantize(),)
