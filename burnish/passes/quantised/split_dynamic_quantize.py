"""Quantise by range in steps that are fast kernels.

    c, s, z = DynamicQuantizeLinear(x)
        ->  low = Min(ReduceMin(x), 0)          high = Max(ReduceMax(x), 0)          each over channels last
            s = 1 if high == low, else (high - low) / 255
            z = Q(-low, s)                      c = Q(x, s, z)

Exact: the same roundings in the same order. In one node each output would find the range again, one element at a time;
here it is found once, a vector of channels at a time.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.linear import op_name
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

FEW = 8  # channels, fewer than a vector holds: then the last axis is kept


class SplitDynamicQuantize(Rule):
    op_types = ("DynamicQuantizeLinear",)

    def check(self, match: Match) -> list[int] | Skip:
        """The axes of the first of two reductions; none if there is one."""
        x = match.root.inputs[0]
        if x is None or x.shape is None or x.dtype != ir.DataType.FLOAT:
            return Skip(f"the rank of what {op_name(match.root)} quantises is not known, or it is not in f32")
        rank = len(x.shape)
        channels = x.shape[1] if rank > 3 else None
        kept = 1 if isinstance(channels, int) and channels >= FEW else rank - 1
        return [axis for axis in range(rank) if axis != kept]

    def rewrite(self, op: Builder, match: Match, found: list[int]) -> list[ir.Value]:
        node = match.root
        x, (_, scale, zero) = node.inputs[0], node.outputs
        nothing = _constant(op, node, 0, "zero")
        low = op.Min(_reduced(op, node, "ReduceMin", found), nothing)
        high = op.Max(_reduced(op, node, "ReduceMax", found), nothing)
        width = op.Sub(high, low)
        step = op.Where(
            op.Equal(width, nothing), _constant(op, node, 1, "one"), op.Div(width, _constant(op, node, 255, "steps"))
        )
        own_zero = op.QuantizeLinear(op.Neg(low), step)
        for value, like in ((step, scale), (own_zero, zero)):
            value.shape, value.type = ir.Shape(()), like.type
        return [op.QuantizeLinear(x, step, own_zero, _name=node.name), step, own_zero]


def _reduced(op: Builder, node: ir.Node, kind: str, axes: list[int]) -> ir.Value:
    value = node.inputs[0]
    if axes:
        first = op.constant(np.array(axes, np.int64), f"{node.name}.axes")
        value = op.node(kind, value, first, keepdims=0)
    return op.node(kind, value, keepdims=0)  # type: ignore[no-any-return]


def _constant(op: Builder, node: ir.Node, number: float, name: str) -> ir.Value:
    return op.constant(number, f"{node.name}.{name}", np.float32)
