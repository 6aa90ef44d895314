"""What reads a value whose rank depends on an If moves into both sides of that If, where its rank is known.

    v = If(c) {Squeeze(x) | x};  y = Flatten(Relu(v))    ->    y = If(c) {Flatten(Relu(Squeeze(x))) | Flatten(Relu(x))}

PyTorch exports `x.squeeze(1)` so, where it does not know the size of the axis. Exact. Ends where the ranks are equal
again, or at the graph's outputs. Runs after `clean`, which removes each If that constants or shapes decide: every move
copies nodes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import onnx_ir as ir

from burnish.ops.branches import captured, sides_of, subgraphs
from burnish.ops.inference.infer import Inferred, infer
from burnish.passes.rewrite.context import PassContext
from burnish.passes.rewrite.rewire import each_graph, free_name, names_taken, own_outputs

MOST_NODES = 16384  # of a model, with its copies


def move_into_sides(model: ir.Model, context: PassContext) -> int:
    """Returns the number of moves. A move may make the rank of another If's output depend on its side."""
    changes = 0
    while any(node.op_type == "If" for node in model.graph.all_nodes()):
        move = _next_move(model, context)
        if move is None:
            break
        graph, node, tail = move
        if sum(1 for _ in model.graph.all_nodes()) + len(tail) > MOST_NODES:
            context.report.decline("move_into_sides", str(node.name), f"the copies would exceed {MOST_NODES} nodes")
            break
        _move(graph, node, tail, names_taken(model))
        context.report.apply("move_into_sides", str(node.name), ())
        changes += 1
    return changes


def _next_move(model: ir.Model, context: PassContext) -> tuple[ir.Graph, ir.Node, list[ir.Node]] | None:
    """The first If with something to move: its graph, the If, and the nodes that move."""
    found = infer(model.graph, sizes=context.sizes)
    for graph in each_graph(model):
        for node in graph:
            if (doubtful := _doubtful(node, found)) and (tail := _tail(graph, node, doubtful, found)):
                return graph, node, tail
    return None


def ranks_of(value: ir.Value, found: Inferred) -> set[int]:
    """The ranks that the value may have: several if it is an If's output and the sides differ. None are known: empty.

    A side that does not fit the shapes is left out.
    """
    if value in found.tensors:
        return {found.tensors[value].rank}
    node = value.producer()
    if node is None or node.op_type != "If" or node.domain != "":
        return set()
    sides = [ranks_of(g.outputs[value.index() or 0], found) for g in sides_of(node) if g not in found.impossible]
    return set.union(*sides) if all(sides) else set()


def _doubtful(node: ir.Node, found: Inferred) -> list[ir.Value]:
    """The outputs of an If whose rank only the run tells."""
    if node.op_type != "If" or node.domain != "":
        return []
    return [v for v in node.outputs if v not in found.tensors and len(ranks_of(v, found)) > 1]


def _tail(graph: ir.Graph, node: ir.Node, doubtful: Sequence[ir.Value], found: Inferred) -> list[ir.Node]:
    """The nodes that move, in order.

    These read a value of unknown rank, or make one; and those between the If and them.
    """
    dependent, unknown = set(node.outputs), set(doubtful)
    reads: dict[ir.Node, set[ir.Value]] = {}
    chosen: set[ir.Node] = set()
    is_after = False
    for other in graph:
        is_after = is_after or other is node
        needs = {v for v in (*other.inputs, *captured(other)) if v is not None} & dependent
        if not is_after or not needs:
            continue
        reads[other] = needs
        dependent.update(other.outputs)
        made = {v for v in other.outputs if v.name and v not in found.tensors}
        if needs & unknown or made:
            chosen.add(other)
            unknown |= made
    for other in reversed(reads):
        if other in chosen:
            chosen.update(p for v in reads[other] if (p := v.producer()) is not None and p is not node)
    return [other for other in reads if other in chosen]


def _move(graph: ir.Graph, node: ir.Node, tail: Sequence[ir.Node], taken: set[str]) -> None:
    for inner in (g for other in graph for g in subgraphs(other)):
        own_outputs(inner, taken)  # so that only nodes read outer values
    made = [v for n in tail for v in n.outputs]
    outside = _readers_outside(graph, tail, (*node.outputs, *made))
    wanted = [v for v, uses in outside.items() if uses or v in graph.outputs]
    attributes = list(node.attributes.values())
    merged = ir.Node("", "If", list(node.inputs), attributes, num_outputs=len(wanted), name=node.name)
    graph.insert_after(tail[-1], merged)
    for old, new in zip(wanted, merged.outputs):
        new.type, new.shape = old.type, old.shape if old in graph.outputs else None
        new.name = old.name
        for reader, place in outside[old]:
            reader.replace_input_with(place, new)
        graph.outputs[:] = [new if v is old else v for v in graph.outputs]
    given = [ir.Value(name=free_name(f"{node.name}/given", taken)) for _ in node.outputs]
    for old, placeholder in zip(node.outputs, given):
        old.replace_all_uses_with(placeholder)
    graph.remove(tail)
    graph.remove(node, safe=True)
    body = ir.Graph(given, [v for v in wanted if v not in node.outputs], nodes=tail, name="tail")
    for side, word in zip(sides_of(merged), ("then", "else")):
        first = dict(zip(node.outputs, side.outputs))
        after = iter(_append(body, side, f"{node.name}/{word}", taken))
        side.outputs[:] = [first[v] if v in first else next(after) for v in wanted]
    graph.sort()


def _append(body: ir.Graph, side: ir.Graph, name: str, taken: set[str]) -> list[ir.Value]:
    """Add a copy of the nodes to a side. Returns the copy's outputs."""
    copy = body.clone(allow_outer_scope_values=True)
    for value, placeholder in zip(side.outputs, copy.inputs):
        placeholder.replace_all_uses_with(value)
    results = list(copy.outputs)
    copy.outputs.clear()
    nodes = list(copy)
    copy.remove(nodes)
    for node in nodes:
        node.name = f"{name}/{node.name}" if node.name else None
        for output in node.outputs:
            output.name = free_name(f"{name}/{output.name}", taken) if output.name else output.name
            output.shape = None  # what the file tells may be that of the other side
    side.extend(nodes)
    return results


def _readers_outside(
    graph: ir.Graph, tail: Sequence[ir.Node], values: Iterable[ir.Value]
) -> dict[ir.Value, list[tuple[ir.Node, int]]]:
    """The uses of each value by other nodes than the tail's, in subgraphs too."""
    inside = {*tail, *(n for node in tail for inner in subgraphs(node) for n in inner.all_nodes())}
    return {v: [(use.node, use.idx) for use in v.uses() if use.node not in inside] for v in values}
