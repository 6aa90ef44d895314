"""Merge and cancel transposes, through pointwise operators that lie between them.

    T2(T1(x))                 ->  T(x), or x if they cancel each other
    T2(f(T1(x), T1'(y), c))   ->  f(T(x), T'(y), T2(c))          f pointwise, c constants

A transpose moves up through pointwise operators only if every path ends in a transpose or a constant, so the number of
transposes never grows. Exact: elements move, none changes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.passes.rewrite.constants import constant_array, is_constant
from burnish.passes.rewrite.pattern import PatternBuilder
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip

POINTWISE = frozenset({
    "Abs", "Add", "And", "Cast", "Ceil", "Clip", "Cos", "Div", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu", "Greater",
    "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Min",
    "Mish", "Mod", "Mul", "Neg", "Not", "Or", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign", "Sin",
    "Softplus", "Softsign", "Sqrt", "Sub", "Swish", "Tan", "Tanh", "Where", "Xor",
})  # fmt: skip
MAX_NODES = 32

Order = tuple[int, ...]


@dataclass(frozen=True)
class Region:
    """The pointwise nodes between the last transpose and the transposes above it; inputs first."""

    nodes: tuple[ir.Node, ...]
    order: Order


class MergeTransposes(Rule):
    """T2(T1(x)); T1 stays if other nodes use it."""

    may_duplicate = True

    def pattern(self, op: PatternBuilder, x: object) -> object:
        return op.Transpose(op.Transpose(x, _name="first"), _name="second")

    def check(self, match: Match) -> Order | Skip:
        first, second = order_of(match.first), order_of(match.second)
        if first is None or second is None:
            return Skip("the rank is not known")
        return tuple(first[i] for i in second)

    def rewrite(self, op: Builder, match: Match, found: Order) -> ir.Value:
        result: ir.Value = match.x if found == tuple(range(len(found))) else op.Transpose(match.x, perm=list(found))
        return result


class LiftTranspose(Rule):
    """A transpose after pointwise operators whose inputs are all transposed."""

    op_types = ("Transpose",)

    def check(self, match: Match) -> Region | Skip:
        order = order_of(match.root)
        start = match.root.inputs[0]
        producer = start.producer() if start is not None else None
        if order is None or start is None or producer is None or producer.op_type not in POINTWISE:
            return Skip("its input is not computed by a pointwise operator")
        nodes: dict[ir.Node, None] = {}
        reason = _collect(start, match.root, len(order), nodes) or _used_elsewhere(nodes, match.root)
        if reason:
            return Skip(reason)
        above = [v for n in nodes for v in n.inputs if v is not None and _is_transpose(v)]
        return Region(tuple(nodes), order) if above else Skip("no transpose above it")

    def rewrite(self, op: Builder, match: Match, found: Region) -> ir.Value:
        moved: dict[ir.Value, ir.Value] = {}
        for node in found.nodes:
            inputs = [_moved(op, v, moved, found.order) for v in node.inputs]
            attributes = {k: a.value for k, a in node.attributes.items()}
            result: ir.Value = op.node(node.op_type, *inputs, _domain=node.domain, **attributes)
            result.type = node.outputs[0].type
            if node.outputs[0].shape is not None:
                result.shape = ir.Shape([node.outputs[0].shape[i] for i in found.order])
            moved[node.outputs[0]] = result
        return result


def order_of(node: ir.Node) -> Order | None:
    """The permutation; if it is left out, the axes in reverse order."""
    order = node.attributes.get_ints("perm", ())
    if order:
        return tuple(order)
    x = node.inputs[0]
    return None if x is None or x.shape is None else tuple(reversed(range(len(x.shape))))


def _is_transpose(value: ir.Value) -> bool:
    producer = value.producer()
    return producer is not None and producer.op_type == "Transpose" and producer.domain == ""


def _collect(value: ir.Value, user: ir.Node, rank: int, nodes: dict[ir.Node, None]) -> str:
    """Gather the pointwise nodes above `value`, inputs first; or the reason why they may not move."""
    if _is_scalar(value) or (is_constant(value) and value.shape is not None and len(value.shape) <= rank):
        return ""
    if value.shape is None or len(value.shape) != rank:
        return f"{value.name} has another rank"
    node = value.producer()
    if _is_transpose(value) or node in nodes:
        return ""
    if node is None or node.op_type not in POINTWISE or node.graph is not user.graph or len(nodes) >= MAX_NODES:
        return f"{value.name} is not transposed"
    for operand in node.inputs:
        reason = "" if operand is None else _collect(operand, node, rank, nodes)
        if reason:
            return reason
    nodes[node] = None
    return ""


def _used_elsewhere(nodes: dict[ir.Node, None], root: ir.Node) -> str:
    """The reason why the region may not move: a value in it, or a transpose above it, has users outside."""
    for node in nodes:
        for value in (node.outputs[0], *(v for v in node.inputs if v is not None and _is_transpose(v))):
            if value.is_graph_output() or any(u.node not in nodes and u.node is not root for u in value.uses()):
                return f"{value.name} has other users"
    return ""


def _is_scalar(value: ir.Value) -> bool:
    return value.shape is not None and len(value.shape) == 0


def _moved(op: Builder, value: ir.Value | None, moved: dict[ir.Value, ir.Value], order: Order) -> ir.Value | None:
    """The operand in the new order of axes."""
    if value is None or _is_scalar(value) or value in moved:
        return value if value is None else moved.get(value, value)
    array = constant_array(value)
    if array is not None:
        if array.size == 1:
            return value
        full = array.reshape((1,) * (len(order) - array.ndim) + array.shape)
        moved[value] = op.constant(np.ascontiguousarray(full.transpose(order)), f"{value.name}.transposed")
        return moved[value]
    result: ir.Value = op.Transpose(value, perm=list(order))
    result.type = value.type
    if value.shape is not None:
        result.shape = ir.Shape([value.shape[i] for i in order])
    moved[value] = result
    return result


RULES = (MergeTransposes(), LiftTranspose())
