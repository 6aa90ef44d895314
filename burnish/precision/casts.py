"""Casts of values. Each is made once, where all its readers can see it.

A graph sees its own values and those of outer graphs, never those of a subgraph or of an If's other side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import onnx_ir as ir

from burnish.dtypes import DType
from burnish.ops.language.node_view import KEEPS_EXCESS


class Casts:
    """The casts inserted into a graph and into the subgraphs that are rewritten with it."""

    def __init__(self, graph: ir.Graph) -> None:
        self._scopes = [graph]
        self._made: dict[tuple[ir.Graph, ir.Value, ir.DataType], ir.Value] = {}
        self._names = Counter[str]()

    @contextmanager
    def inside(self, graph: ir.Graph) -> Iterator[None]:
        """From now on, put casts into this subgraph."""
        self._scopes.append(graph)
        yield
        self._scopes.pop()

    def before(self, user: ir.Node, value: ir.Value, to: ir.DataType) -> ir.Value:
        """The value in another type, for a node of the innermost graph and for all after it."""
        for graph in self._scopes:
            if (found := self._made.get((graph, value, to))) is not None:
                return found
        node = cast(value, to, self._name(value, to))
        self._scopes[-1].insert_before(user, node)
        self._made[self._scopes[-1], value, to] = node.outputs[0]
        return node.outputs[0]

    def at_end(self, value: ir.Value, to: ir.DataType) -> ir.Value:
        """The value in another type, as the innermost graph's last node."""
        node = cast(value, to, self._name(value, to))
        self._scopes[-1].append(node)
        return node.outputs[0]

    def _name(self, value: ir.Value, to: ir.DataType) -> str:
        """A new name. Both sides of an If may cast the same value, but names are unique in all graphs."""
        name = f"{value.name}/{DType.from_onnx(int(to)).value}"
        self._names[name] += 1
        return name if self._names[name] == 1 else f"{name}.{self._names[name] - 1}"


def cast(value: ir.Value, to: ir.DataType, name: str) -> ir.Node:
    """A Cast node; its result has the same name as the node."""
    node = ir.node("Cast", [value], attributes={"to": int(to)}, name=name)
    node.meta[KEEPS_EXCESS] = True
    node.outputs[0].name, node.outputs[0].type, node.outputs[0].shape = name, ir.TensorType(to), value.shape
    return node
