"""The shape of a tensor that is filled with one number is the shape that was asked for.

    Shape(ConstantOfShape(s))  ->  s        Size(ConstantOfShape(s))  ->  ReduceProd(s)

If the run decides how long `s` is, a plan cannot hold the tensor, whose rank is open. Its shape it can. Exact.
"""

from __future__ import annotations

import onnx_ir as ir

from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip


class MeasureFilled(Rule):
    op_types = ("Shape", "Size")

    def check(self, match: Match) -> ir.Value | Skip:
        node = match.root
        filled = node.inputs[0].producer() if node.inputs[0] is not None else None
        if filled is None or filled.op_type != "ConstantOfShape" or filled.domain != "" or filled.inputs[0] is None:
            return Skip("it does not measure what ConstantOfShape fills")
        wanted = filled.inputs[0]
        if wanted.shape is None or len(wanted.shape) != 1 or isinstance(wanted.shape[0], int):
            return Skip("the rank is known, or whether it is open is not")
        return Skip("only a part of the shape is asked for") if node.attributes else wanted

    def rewrite(self, op: Builder, match: Match, found: ir.Value) -> ir.Value:
        result: ir.Value = op.Identity(found) if match.root.op_type == "Shape" else op.ReduceProd(found, keepdims=0)
        return result


RULES = (MeasureFilled(),)
