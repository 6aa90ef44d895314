"""If queries, keys and values of an attention are products of the same input, they become one product.

    q = views(x @ Wq + bq), k = views(x @ Wk + bk), v = views(x @ Wv + bv)   ->   y = x @ [Wq Wk Wv] + [bq bk bv]
    q = views(y[..., :N]), k = views(y[..., N:2N]), v = views(y[..., 2N:])

The attention reads y in place; x is read once, and one launch replaces three. Exact.
Runs after attention is recognised; before slices and reshapes move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import onnx_ir as ir

from burnish.passes.forms.linear import Linear, find_linear
from burnish.passes.forms.products import matched, rank_of
from burnish.passes.forms.slices import write_slice
from burnish.passes.rewrite.constants import Array
from burnish.passes.rewrite.rule import Builder, Match, Rule, Skip, shared_inner_value

VIEWS = ("Reshape", "Transpose", "Unsqueeze", "Squeeze", "Slice", "Split")


@dataclass(frozen=True)
class Operand:
    """Input `number` of the attention: views, the last one first, of a linear node's result."""

    number: int
    views: tuple[ir.Node, ...]
    linear: Linear

    @property
    def nodes(self) -> tuple[ir.Node, ...]:
        return tuple(self.linear.nodes)

    @property
    def columns(self) -> int:
        return self.linear.channels

    @property
    def name(self) -> str:
        return str(self.linear.node.name)

    @property
    def kind(self) -> tuple[object, ...]:
        """The properties in which products must agree."""
        node = self.linear.node
        given = [(name, node.attributes[name].value) for name in ("alpha", "transA") if name in node.attributes]
        return id(node.inputs[0]), node.op_type, *given, self.linear.weight.dtype


class Part(Protocol):
    """An operand as it is merged: its number and views; its other nodes, the last one first; what it must agree in."""

    @property
    def number(self) -> int: ...
    @property
    def views(self) -> tuple[ir.Node, ...]: ...
    @property
    def nodes(self) -> tuple[ir.Node, ...]: ...
    @property
    def columns(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> tuple[object, ...]: ...


class MergeProducts(Rule):
    op_types = ("Attention",)

    def find(self, node: ir.Node) -> Match | Skip:
        return find_group(node, [_operand(node, number) for number in range(3)])

    def rewrite(self, op: Builder, match: Match, found: None) -> ir.Value:
        group: tuple[Operand, ...] = match.group
        inputs = split_among(op, _product(op, [o.linear for o in group]), match.root, group)
        attributes = {k: a.value for k, a in match.root.attributes.items()}
        return op.Attention(*inputs, **attributes)  # type: ignore[no-any-return]


def find_group(attention: ir.Node, found: Sequence[Part | Skip]) -> Match | Skip:
    """The most operands that can be one product, as `group` of the match."""
    groups: dict[tuple[object, ...], list[Part]] = {}
    for operand in found:
        if not isinstance(operand, Skip):
            groups.setdefault(operand.kind, []).append(operand)
    group = max(groups.values(), key=len, default=[])
    if len(group) < 2:
        refused = [f.reason for f in found if isinstance(f, Skip)]
        return Skip("; ".join(refused) or "its operands are products of different inputs")
    if len({id(o.nodes[0]) for o in group}) != len(group):
        return Skip("its operands are parts of one product already")
    inner = [n for o in group for n in (*o.views, *o.nodes)]
    match = matched(attention, (attention, *inner), group=tuple(group))
    return shared_inner_value(match) or match


def split_among(op: Builder, merged: ir.Value, attention: ir.Node, group: Sequence[Part]) -> list[ir.Value | None]:
    """The inputs of the attention; those of the group are columns of the merged product, through their views."""
    inputs, start, last = list(attention.inputs), 0, (rank_of(merged) or 0) - 1
    for operand in group:
        end = start + operand.columns
        part = write_slice(op, merged, {last: (start, end)}, operand.name)
        inputs[operand.number] = repeat_views(op, part, operand.views)
        start = end
    return inputs


def through_views(value: ir.Value | None) -> tuple[ir.Value | None, tuple[ir.Node, ...]] | Skip:
    """What a value is a view of, and the views, the last one first."""
    views: list[ir.Node] = []
    while value is not None and (node := value.producer()) is not None and node.op_type in VIEWS and not node.domain:
        if len(node.outputs) != 1:
            return Skip(f"{node.name} has several results")
        views.append(node)
        value = node.inputs[0]
    return value, tuple(views)


def _operand(attention: ir.Node, number: int) -> Operand | Skip:
    """Read an input of the attention as views of a linear node's result."""
    found = through_views(attention.inputs[number])
    if isinstance(found, Skip):
        return found
    value, views = found
    assert value is not None
    linear = find_linear(value, views[-1] if views else attention)
    if isinstance(linear, Skip):
        return linear
    if linear.node.op_type not in ("MatMul", "Gemm") or rank_of(value) is None:
        return Skip(f"{linear.node.name} is a {linear.node.op_type}, no product of known rank")
    return Operand(number, views, linear)


def _product(op: Builder, parts: Sequence[Linear]) -> ir.Value:
    """One product that computes all parts side by side."""
    node, dtype = parts[0].node, parts[0].weight.dtype
    name = f"{node.inputs[1].name}.merged" if node.inputs[1] is not None else "merged"
    weight = op.constant(np.concatenate([_upright(p) for p in parts], axis=1), f"{name}.weight")
    bias = None
    if any(p.bias is not None for p in parts):
        every = [np.zeros(p.channels) if p.bias is None else p.bias for p in parts]
        bias = op.constant(np.concatenate(every).astype(dtype), f"{name}.bias")
    x, result = node.inputs[0], parts[0].nodes[0].outputs[0]
    if node.op_type == "Gemm":
        kept = {k: a.value for k, a in node.attributes.items() if k in ("alpha", "transA")}
        product: ir.Value = op.Gemm(x, weight, bias, **kept) if bias is not None else op.Gemm(x, weight, **kept)
    else:
        product = op.MatMul(x, weight)
    _shape(product, result, weight)
    if bias is not None and node.op_type == "MatMul":
        product = op.Add(product, bias)
        _shape(product, result, weight)
    return product


def _shape(value: ir.Value, like: ir.Value, weight: ir.Value) -> None:
    assert like.shape is not None and weight.shape is not None
    value.type = like.type
    value.shape = ir.Shape([*list(like.shape)[:-1], weight.shape[1]])


def _upright(linear: Linear) -> Array:
    """The weight as [K, N]."""
    attribute = linear.node.attributes.get("transB")
    return linear.weight.T if attribute is not None and attribute.as_int() else linear.weight


def repeat_views(op: Builder, value: ir.Value, views: Sequence[ir.Node]) -> ir.Value:
    """Apply the same views to another value."""
    for node in reversed(views):
        attributes = {k: a.value for k, a in node.attributes.items()}
        result = op.node(node.op_type, value, *node.inputs[1:], **attributes)
        result.shape, result.type = node.outputs[0].shape, node.outputs[0].type
        value = result
    return value
