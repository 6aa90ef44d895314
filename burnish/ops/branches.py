"""Graphs inside a node: those of any node, and the two sides of an If."""

from __future__ import annotations

import onnx_ir as ir

from burnish.ops.inference.infer import Inferred


def subgraphs(node: ir.Node) -> list[ir.Graph]:
    """The graphs among a node's attributes."""
    found: list[ir.Graph] = []
    for attribute in node.attributes.values():
        if attribute.type == ir.AttributeType.GRAPH:
            found.append(attribute.as_graph())
        elif attribute.type == ir.AttributeType.GRAPHS:
            found += attribute.as_graphs()
    return found


def captured(node: ir.Node) -> list[ir.Value]:
    """Outer values that a node's subgraphs use, in order of first use."""
    found: dict[ir.Value, None] = {}

    def visit(graph: ir.Graph, local: set[ir.Value]) -> None:
        local = local | set(graph.inputs) | set(graph.initializers.values())
        for inner in graph:
            for value in inner.inputs:
                if value is not None and value not in local:
                    found.setdefault(value)
            for sub in subgraphs(inner):
                visit(sub, local)
            local |= set(inner.outputs)
        for value in graph.outputs:
            if value not in local:
                found.setdefault(value)

    for graph in subgraphs(node):
        visit(graph, set())
    return list(found)


def sides_of(node: ir.Node) -> tuple[ir.Graph, ir.Graph]:
    """The two sides of an If: if its condition is true, and if it is false."""
    then, otherwise = (node.attributes[name].as_graph() for name in ("then_branch", "else_branch"))
    return then, otherwise


def sides_agree(node: ir.Node, found: Inferred) -> bool:
    """Do both sides give every output its own shape and dtype, so that either can write it in place?

    A side that is impossible for the shapes is ignored.
    """
    outputs = [found.tensors.get(v) for v in node.outputs]
    for graph in sides_of(node):
        if graph in found.impossible:
            continue
        for value, out in zip(graph.outputs, outputs):
            inner = found.tensors.get(value)
            if inner is None or out is None or inner.shape != out.shape or inner.dtype is not out.dtype:
                return False
    return True
