"""Check a model's wiring before a graph is made of it: names, order, opset imports.

Every message names the node. Nodes out of order are sorted; a cycle is refused.
"""

from __future__ import annotations

from collections.abc import Iterable

import onnx
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from burnish.errors import UserError

NEWEST_OPSET = onnx.defs.onnx_opset_version()


def check_structure(proto: onnx.ModelProto, name: str) -> None:
    """Check the whole model, subgraphs and functions included.

    raises:  E103 a name that is no text, E105 missing opset import, E106 opset too old or new,
             E110 dangling input, E111 duplicate name, E112 cycle, E116 no outputs
    """
    _check_text(proto, name)
    _check_opset(proto.opset_import, name)
    if not proto.graph.output:
        raise UserError("E116", "the graph has no outputs", where=name, hint="mark what the model is to compute")
    _check_graph(proto.graph, set(), name)
    for function in proto.functions:
        where = f"{name}: function {function.name!r}"
        defined = _define(set(), function.input, where, "input")
        _check_nodes(function.node, defined, where)
        _check_used(function.output, defined, where)


def describe(node: onnx.NodeProto) -> str:
    """A node's name in messages: its own name, or its type and first output if it has none."""
    if node.name:
        return f"node {node.name!r}"
    return f"node {node.op_type} -> {node.output[0] if node.output else '?'!r}"


def _check_text(message: Message, name: str) -> None:
    """Refuse damaged UTF-8: protobuf returns such a string as bytes."""
    for field, value in message.ListFields():
        if field.type == FieldDescriptor.TYPE_STRING:
            for word in [value] if isinstance(value, str | bytes) else value:
                if not isinstance(word, str):
                    raise UserError(
                        "E103",
                        "the model file is damaged",
                        where=name,
                        why=f"the field {field.full_name} holds {word!r}, which is not UTF-8 text",
                        hint="copy or download it again",
                    )
        elif field.type == FieldDescriptor.TYPE_MESSAGE:
            for inner in [value] if isinstance(value, Message) else value:
                _check_text(inner, name)


def _check_opset(imports: Iterable[onnx.OperatorSetIdProto], name: str) -> None:
    versions = {o.domain: o.version for o in imports}
    default = versions.get("", versions.get("ai.onnx"))
    if default is None:
        if versions:
            return  # a model of custom or ai.onnx.ml operators alone
        raise UserError(
            "E105",
            "the model does not say which opset it uses",
            where=name,
            why="opset_import is empty; the end of the file may be missing",
            hint="copy or export the model again",
        )
    if not 1 <= default <= NEWEST_OPSET:
        raise UserError(
            "E106",
            f"opset {default} is not known",
            where=name,
            why=f"this version reads opset 7 to {NEWEST_OPSET}",
            hint=f"export with opset {NEWEST_OPSET} or lower",
        )


def _check_graph(graph: onnx.GraphProto, outer: set[str], where: str) -> None:
    constants = {t.name for t in graph.initializer} | {t.values.name for t in graph.sparse_initializer}
    inputs = [v.name for v in graph.input]
    _refuse_twice([t.name for t in graph.initializer], where, "initializer")
    _refuse_twice(inputs, where, "input")
    local = constants | set(inputs)
    inner = _check_nodes(graph.node, outer | local, where, local)
    if inner is not None:
        ordered = [graph.node[i] for i in inner]
        copies = [onnx.NodeProto.FromString(n.SerializeToString()) for n in ordered]
        del graph.node[:]
        graph.node.extend(copies)
    produced = {o for n in graph.node for o in n.output if o}
    _check_used([v.name for v in graph.output], outer | local | produced, where)


def _check_nodes(
    nodes: Iterable[onnx.NodeProto], known: set[str], where: str, local: set[str] | None = None
) -> list[int] | None:
    """Check inputs and names. Returns the right order of the nodes if they are not in order."""
    nodes = list(nodes)
    produced: dict[str, int] = {}
    for i, node in enumerate(nodes):
        for output in filter(None, node.output):
            if output in produced or output in (local if local is not None else known):
                raise UserError(
                    "E111",
                    f"{output!r} is defined twice",
                    where=f"{where}: {describe(node)}",
                    why="every value has one producer",
                    hint="rename one of them",
                )
            produced[output] = i
    for node in nodes:
        for value in _reads(node):
            if value not in produced and value not in known:
                raise UserError(
                    "E110",
                    f"{value!r} is read but never defined",
                    where=f"{where}: {describe(node)}",
                    why="no node, input or initializer of this or an outer graph has that name",
                    hint="export the model again, or extract the subgraph with its inputs",
                )
    order = _order(nodes, produced, where)
    for node in nodes:
        for attribute in node.attribute:
            graphs = [attribute.g] if attribute.HasField("g") else list(attribute.graphs)
            for graph in graphs:
                _check_graph(graph, known | set(produced), f"{where}: {describe(node)}")
    if local is None:
        known |= set(produced)
    return order if order != list(range(len(nodes))) else None


def _reads(node: onnx.NodeProto) -> list[str]:
    """The node's inputs. Outer values that its subgraphs read are checked with the subgraphs."""
    return [i for i in node.input if i]


def _captured(node: onnx.NodeProto) -> set[str]:
    """The outer values that the subgraphs of a node read."""
    found: set[str] = set()
    for attribute in node.attribute:
        for graph in [attribute.g] if attribute.HasField("g") else attribute.graphs:
            inside = {t.name for t in graph.initializer} | {v.name for v in graph.input}
            inside |= {o for n in graph.node for o in n.output}
            read = {i for n in graph.node for i in n.input} | {v.name for v in graph.output}
            for n in graph.node:
                read |= _captured(n)
            found |= read - inside
    return found


def _order(nodes: list[onnx.NodeProto], produced: dict[str, int], where: str) -> list[int]:
    """A topological order; the given order if it is already correct (Kahn, smallest index first)."""
    needs = [{produced[v] for v in {*_reads(n), *_captured(n)} if v in produced} for n in nodes]
    if all(not need or max(need) < i for i, need in enumerate(needs)):
        return list(range(len(nodes)))
    done: set[int] = set()
    order: list[int] = []
    while len(order) < len(nodes):
        ready = [i for i in range(len(nodes)) if i not in done and needs[i] <= done]
        if not ready:
            stuck = [nodes[i] for i in range(len(nodes)) if i not in done]
            raise UserError(
                "E112",
                "the graph has a cycle",
                where=f"{where}: {describe(stuck[0])}",
                why=f"{len(stuck)} nodes wait for each other: {', '.join(describe(n) for n in stuck[:4])}",
                hint="ONNX graphs are acyclic; use Loop or Scan for recurrences",
            )
        order += ready
        done |= set(ready)
    return order


def _check_used(names: Iterable[str], known: set[str], where: str) -> None:
    for name in names:
        if name not in known:
            raise UserError(
                "E110",
                f"output {name!r} is never defined",
                where=where,
                why="no node, input or initializer has that name",
                hint="export the model again",
            )


def _define(known: set[str], names: Iterable[str], where: str, kind: str) -> set[str]:
    names = list(names)
    _refuse_twice(names, where, kind)
    return known | set(names)


def _refuse_twice(names: list[str], where: str, kind: str) -> None:
    if len(set(names)) != len(names):
        twice = next(n for n in names if names.count(n) > 1)
        raise UserError("E111", f"{kind} {twice!r} is defined twice", where=where, hint="rename one of them")
