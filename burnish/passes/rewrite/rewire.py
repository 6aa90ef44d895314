"""Replace one value by another. The graph's surface (names, order of outputs) never changes."""

from __future__ import annotations

from collections.abc import Iterator

import onnx_ir as ir

from burnish.passes.rewrite.constants import Array, new_initializer


def each_graph(model: ir.Model) -> Iterator[ir.Graph]:
    """The graph and all its subgraphs, outer ones first."""
    yield model.graph
    yield from list(model.graph.subgraphs())


def replace_value(graph: ir.Graph, old: ir.Value, new: ir.Value, made_here: bool = False) -> None:
    """All uses of `old` read `new`; an output of the graph keeps its name.

    made_here: `new` is fresh, and takes over the name, shape and type of `old`. Otherwise, if `old` is an output of the
    graph, `new` takes its name if possible (it is computed in this graph and is no output), or an Identity is added.
    """
    if made_here:
        new.shape, new.type = old.shape or new.shape, old.type or new.type
    if not old.is_graph_output():
        old.replace_all_uses_with(new)
        if made_here and old.name is not None:
            kept, old.name = old.name, f"{old.name}.replaced"
            new.name = kept
        return
    producer = old.producer()
    assert producer is not None
    if not made_here and not can_be_output(new, graph):
        place = f"/{old.index()}" if len(producer.outputs) > 1 else ""
        identity = ir.Node("", "Identity", [new], name=f"{producer.name}/output{place}")
        graph.insert_before(producer, identity)
        new, identity.outputs[0].shape, identity.outputs[0].type = identity.outputs[0], old.shape, old.type
    if new.shape is None:  # the file may be the only source for an output's shape
        new.shape = old.shape
    new.type = new.type or old.type
    name, old.name = old.name, f"{old.name}.replaced"
    new.name = name
    old.replace_all_uses_with(new, replace_graph_outputs=True)


def can_be_output(value: ir.Value, graph: ir.Graph) -> bool:
    """May the value take an output's name? Yes if a node of this graph computes it and it is not yet an output."""
    producer = value.producer()
    return producer is not None and producer.graph is graph and not value.is_graph_output()


def replace_by_constant(value: ir.Value, array: Array) -> None:
    """Replace a computed value by a constant. Its node stays until it is removed as unused."""
    producer = value.producer()
    assert producer is not None and producer.graph is not None
    graph, name = producer.graph, str(value.name)
    constant = new_initializer(graph, array, f"{name}.constant" if value.is_graph_output() else name)
    if value.is_graph_output():
        replace_value(graph, value, constant)
    else:
        value.name = f"{name}.folded"
        value.replace_all_uses_with(constant)


def is_used(node: ir.Node) -> bool:
    """Whether any output of a node is read or is an output of its graph."""
    return any(o.uses() or o.is_graph_output() for o in node.outputs)


def names_taken(model: ir.Model) -> set[str]:
    """The names of all values, including those in subgraphs."""
    taken = {str(v.name) for g in each_graph(model) for v in (*g.inputs, *g.initializers.values())}
    return taken | {str(v.name) for node in model.graph.all_nodes() for v in node.outputs}


def free_name(wanted: str, taken: set[str]) -> str:
    """The name, with a number added if it is taken. It is taken from now on."""
    name, n = wanted, 0
    while name in taken:
        n += 1
        name = f"{wanted}_{n}"
    taken.add(name)
    return name


def own_outputs(graph: ir.Graph, taken: set[str]) -> None:
    """If an output is a value of an outer graph, pass it through an Identity: a copy needs its own outputs."""
    own = {*graph.inputs, *graph.initializers.values(), *(v for node in graph for v in node.outputs)}
    for i, value in enumerate(graph.outputs):
        if value not in own:
            identity = ir.Node("", "Identity", [value], name=free_name(f"{value.name}/output", taken))
            identity.outputs[0].name, identity.outputs[0].type = identity.name, value.type
            graph.append(identity)
            graph.outputs[i] = identity.outputs[0]
    for node in graph:
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.GRAPH:
                own_outputs(attribute.as_graph(), taken)
