"""Rows that a Loop collects in a sequence, and a node after it joins, become a scan output of the Loop.

    s = SequenceEmpty; Loop(.., s) { s' = SequenceInsert(s, row) }; y = ConcatFromSequence(s)
    Loop(..) { scan output: row }; y = the scan output, its first two axes as one

A plan has no sequences; with this pass it can run PyTorch's EmbeddingBag. Exact if all rows have the same size on
axis 0. The other axes are always equal, or the model could not join the rows. Runs after fold_shapes, which finds the
shape of a row.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir

from burnish.passes.rewrite.constants import new_initializer
from burnish.passes.rewrite.context import PassContext
from burnish.passes.rewrite.rewire import replace_value


@dataclass(frozen=True)
class Collected:
    """The position of the sequence among the Loop's states, the node that appends to it, and the node that joins it."""

    loop: ir.Node
    place: int
    insert: ir.Node
    join: ir.Node


def gather_rows(model: ir.Model, context: PassContext) -> int:
    """Rewrite every such Loop, subgraphs included; returns how many sequences are gone."""
    del context
    changes = 0
    for node in list(model.graph.all_nodes()):
        while node.op_type == "Loop" and node.domain == "" and (found := _find(node)) is not None:
            node = _rewrite(found)
            changes += 1
    return changes


def _find(loop: ir.Node) -> Collected | None:
    body = loop.attributes["body"].as_graph()
    for place, initial in enumerate(loop.inputs[2:]):
        start = initial.producer() if initial is not None else None
        if initial is None or start is None or start.op_type != "SequenceEmpty" or len(initial.uses()) != 1:
            continue
        outer, inner, last = loop.outputs[place], body.inputs[2 + place], body.outputs[1 + place]
        insert, users = last.producer(), list(outer.uses())
        if insert is None or insert.op_type != "SequenceInsert" or insert.graph is not body or last.uses():
            continue
        if insert.inputs[0] is not inner or len(inner.uses()) != 1 or any(v is not None for v in insert.inputs[2:]):
            continue
        if len(users) != 1 or users[0].node.op_type != "ConcatFromSequence" or outer.is_graph_output():
            continue
        found = Collected(loop, place, insert, users[0].node)
        if _is_exact(found):
            return found
    return None


def _is_exact(found: Collected) -> bool:
    row, join = found.insert.inputs[1], found.join.attributes
    if row is None or join["axis"].as_int() != 0 or found.join.graph is not found.loop.graph:
        return False
    if "new_axis" in join and join["new_axis"].as_int():
        return True
    return row.shape is not None and len(row.shape) > 0 and isinstance(row.shape[0], int)


def _rewrite(found: Collected) -> ir.Node:
    loop, graph = found.loop, found.loop.graph
    assert graph is not None
    body, row = loop.attributes["body"].as_graph(), found.insert.inputs[1]
    assert row is not None
    copy = ir.Node("", "Identity", [row], name=f"{found.insert.name}/row")  # the scanned value may already be an output
    copy.outputs[0].name, copy.outputs[0].type, copy.outputs[0].shape = f"{row.name}/row", row.type, row.shape
    body.insert_before(found.insert, copy)
    del body.outputs[1 + found.place]
    body.outputs.append(copy.outputs[0])
    body.remove(found.insert, safe=True)
    del body.inputs[2 + found.place]
    inputs = [v for i, v in enumerate(loop.inputs) if i != 2 + found.place]
    new = ir.Node("", "Loop", inputs, list(loop.attributes.values()), num_outputs=len(loop.outputs), name=loop.name)
    graph.insert_before(loop, new)
    kept = [v for i, v in enumerate(loop.outputs) if i != found.place]
    for old, value in zip(kept, new.outputs):
        replace_value(graph, old, value, made_here=True)
    rows = new.outputs[-1]
    rows.name = f"{found.join.outputs[0].name}/rows"
    joined = rows if _stacks(found) else _merge_first_axes(graph, found, rows)
    replace_value(graph, found.join.outputs[0], joined, made_here=not _stacks(found))
    graph.remove(found.join, safe=True)
    graph.remove(loop, safe=True)
    return new


def _stacks(found: Collected) -> bool:
    return "new_axis" in found.join.attributes and bool(found.join.attributes["new_axis"].as_int())


def _merge_first_axes(graph: ir.Graph | ir.Function, found: Collected, rows: ir.Value) -> ir.Value:
    """[turns, k, ...] to [turns * k, ...]"""
    assert isinstance(graph, ir.Graph)
    name = str(found.join.name)
    rest = ir.Node("", "Shape", [rows], [ir.AttrInt64("start", 2)], name=f"{name}/rest")
    any_number = new_initializer(graph, np.array([-1]), f"{name}/any")
    shape = ir.Node("", "Concat", [any_number, rest.outputs[0]], [ir.AttrInt64("axis", 0)], name=f"{name}/shape")
    merged = ir.Node("", "Reshape", [rows, shape.outputs[0]], name=name)
    for node in (rest, shape, merged):
        node.outputs[0].name = f"{node.name}/out"
        graph.insert_before(found.join, node)
    return merged.outputs[0]
