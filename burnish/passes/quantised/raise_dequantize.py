"""Dequantise where codes are made, not behind what moves them, if a product of f32 reads the numbers.

    MatMul(DQ(Transpose(Reshape(q))), ...)  ->  MatMul(Transpose(Reshape(DQ(q))), ...)        Attention likewise

Exact. Such a product reads f32 in memory, as it lies: the kernel that makes the codes stores their numbers at once, and
what moves them is an index. Runs after all that moves codes (sink_dequantize.py does the opposite).
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.passes.forms.products import is_shared, matched
from burnish.passes.quantised.codes import read_codes
from burnish.passes.quantised.sink_dequantize import VIEWS
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

MOVES = (*VIEWS, "Transpose")
PRODUCTS = ("Attention", "MatMul")


class RaiseDequantize(Rule):
    op_types = ("DequantizeLinear",)

    def find(self, node: ir.Node) -> Match | Skip:
        found = read_codes(node.outputs[0])
        if isinstance(found, Skip):
            return found
        users = [use.node for use in node.outputs[0].uses()]
        if node.outputs[0].is_graph_output() or not users or any(n.op_type not in PRODUCTS or n.domain for n in users):
            return Skip("no product alone reads its numbers")
        value, moves = found.codes, list[ir.Node]()
        while (before := value.producer()) is not None and before.op_type in MOVES and not before.domain:
            if is_shared(value) or before.graph is not node.graph or before.inputs[0] is None:
                return Skip(f"{value.name} has other users")
            moves.append(before)
            value = before.inputs[0]
        if not moves or found.scheme.axis is not None:
            return Skip("nothing moves its codes" if not moves else "it has a scale for each place on an axis")
        if before is None or before.op_type != "QuantizeLinear" or is_shared(value):
            return Skip(f"{value.name} is not quantised for it alone")
        return matched(node, (node, *moves), codes=value, moves=tuple(reversed(moves)))

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        node = match.root
        value: ir.Value = op.DequantizeLinear(match.codes, *node.inputs[1:])
        value.shape, value.type = match.codes.shape, node.outputs[0].type
        for move in match.moves:
            kept = {k: a.value for k, a in move.attributes.items()}
            result = op.node(move.op_type, value, *move.inputs[1:], _name=move.name, **kept)
            result.shape, result.type = move.outputs[0].shape, node.outputs[0].type
            value = result
        return value
