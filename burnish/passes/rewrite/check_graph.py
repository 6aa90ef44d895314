"""Check that a graph is valid: after every pass in tests, and in a build with BURNISH_DEBUG=1.

* every value that a node or output reads is an input, a constant, or made by an earlier node, here or in outer graphs
* a value knows its producer and its uses, and no node that was removed uses it
* values have names, and no two values that are visible together have the same name
* inputs and outputs keep name, dtype and rank; only the pass that infers these may correct a wrong one of the file

cost: one walk over the nodes
"""

from __future__ import annotations

from dataclasses import dataclass

import onnx_ir as ir

from burnish.errors import InternalError

INFERS = "fold_shapes"


@dataclass(frozen=True, slots=True)
class Surface:
    """The known facts about an input or output."""

    name: str | None
    dtype: ir.DataType | None
    rank: int | None

    def is_at_least(self, other: Surface) -> bool:
        return other.dtype in (None, self.dtype) and other.rank in (None, self.rank)


def surfaces(model: ir.Model) -> tuple[Surface, ...]:
    """The surfaces of the model's inputs, then of its outputs."""
    return tuple(_surface(v) for v in (*model.graph.inputs, *model.graph.outputs))


def check_graph(model: ir.Model, before: tuple[Surface, ...], name: str) -> None:
    """name: of the pass that has just run; before: the surfaces before it. E912 says what the pass broke."""
    try:
        _check_scope(model.graph, {}, {})
        now = surfaces(model)
        if len(now) != len(before):
            raise _Broken("the graph", f"it had {len(before)} inputs and outputs, it has {len(now)}")
        for is_now, was in zip(now, before, strict=True):
            if is_now.name != was.name or (name != INFERS and not is_now.is_at_least(was)):
                raise _Broken(f"input or output '{was.name}'", f"it was {was}, it is {is_now}")
    except _Broken as found:
        where, why = found.args
        raise InternalError("E912", f"the pass {name} left a graph that is not whole", where=where, why=why) from None


class _Broken(Exception):
    """where, why"""


def _surface(value: ir.Value) -> Surface:
    return Surface(value.name, value.dtype, None if value.shape is None else len(value.shape))


def _check_scope(graph: ir.Graph, around: dict[ir.Value, None], names: dict[str, ir.Value]) -> None:
    """around: the values that the graphs around this one have made so far; names: theirs."""
    seen, names = dict(around), dict(names)
    for value in dict.fromkeys((*graph.inputs, *graph.initializers.values())):
        _enter(value, seen, names)
    for node in graph:
        _check_node(node, graph, seen)
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH and not attribute.is_ref():
                _check_scope(attribute.as_graph(), seen, names)
        for index, value in enumerate(node.outputs):
            if value.producer() is not node or value.index() != index:
                raise _Broken(_said(node), f"its output '{value.name}' names another producer")
            if value.name != "" or value.uses():
                _enter(value, seen, names)
            for use in value.uses():
                if use.node.graph is None:
                    raise _Broken(_said(node), f"{_said(use.node)}, which is in no graph, uses '{value.name}'")
    for value in graph.outputs:
        if value not in seen:
            raise _Broken(f"graph '{graph.name}'", f"nothing makes its output '{value.name}'")


def _check_node(node: ir.Node, graph: ir.Graph, seen: dict[ir.Value, None]) -> None:
    if node.graph is not graph:
        raise _Broken(_said(node), "it does not know its graph")
    for index, value in enumerate(node.inputs):
        if value is None:
            continue
        if value not in seen:
            raise _Broken(_said(node), f"nothing before it makes its input '{value.name}'")
        if not any(use.node is node and use.idx == index for use in value.uses()):
            raise _Broken(_said(node), f"its input '{value.name}' does not know that it is used here")


def _enter(value: ir.Value, seen: dict[ir.Value, None], names: dict[str, ir.Value]) -> None:
    if not value.name:
        raise _Broken(f"an output of {_said(value.producer())}", "a value that is read has no name")
    if names.setdefault(value.name, value) is not value:
        raise _Broken(f"value '{value.name}'", "two values have this name")
    seen[value] = None


def _said(node: ir.Node | None) -> str:
    return "the graph" if node is None else f"node '{node.name}' ({node.op_type})"
