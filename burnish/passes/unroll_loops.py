"""A Loop whose number of trips is known at build time is replaced by one copy of its body per trip.

    Loop(3, true, h) { h' = f(h, x[i]); row = g(h') }    ->    h1 = f(h, x[0]); h2 = f(h1, x[1]); h3 = f(h2, x[2])
                                                               rows = Concat(Unsqueeze(g(h1)), ...)

The trips are known if their number is a constant, and the condition depends only on constants and the trip's number.
The condition is then computed here, as many times as the loop would. Exact. Runs after fold_constants, since tf2onnx
computes even the first condition. A loop of very many nodes stays: each node would become separate code.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx_ir as ir

from burnish.passes.fold_constants import RANDOM, reference_of
from burnish.passes.rewrite.constants import (
    Array,
    constant_array,
    constant_number,
    integer_shape,
    new_initializer,
)
from burnish.passes.rewrite.context import PassContext
from burnish.passes.rewrite.rewire import free_name, names_taken, own_outputs, replace_value
from burnish.passes.rewrite.rule import Skip

MOST_NODES = 4096  # that one loop may become
MOST_NODES_OF_A_MODEL = 16384  # including its unrolled loops


def unroll_loops(model: ir.Model, context: PassContext) -> int:
    """Inner loops first, so an outer loop counts their unrolled nodes. Returns how many loops were removed."""
    nodes = list(model.graph.all_nodes())
    if not any(_is_loop(node) for node in nodes):
        return 0
    room = MOST_NODES_OF_A_MODEL - len(nodes)
    return _Unrolling(names_taken(model), dict(model.graph.opset_imports), context, room).graph(model.graph)


@dataclass
class _Unrolling:
    """One walk over the model. room: how many nodes may still be added."""

    taken: set[str]
    opsets: dict[str, int]
    context: PassContext
    room: int

    def graph(self, graph: ir.Graph) -> int:
        changes = 0
        for node in graph:
            for attribute in node.attributes.values():
                if attribute.type == ir.AttributeType.GRAPH:
                    changes += self.graph(attribute.as_graph())
            if not _is_loop(node):
                continue
            trips = self.trips(node)
            if isinstance(trips, Skip):
                self.context.report.decline("unroll_loops", str(node.name), trips.reason)
                continue
            self.context.report.apply("unroll_loops", str(node.name), ())
            self.unroll(graph, node, trips)
            changes += 1
        return changes

    def trips(self, loop: ir.Node) -> int | Skip:
        """How often the body runs, or why the loop stays."""
        body = _body(loop)
        if any(v is None or not isinstance(v.type or ir.TensorType(ir.DataType.FLOAT), ir.TensorType)
               for v in (*loop.inputs[2:], *body.inputs, *body.outputs)):  # fmt: skip
            return Skip("it carries a sequence or an optional")
        nodes = sum(1 for _ in body.all_nodes())
        limit = min(MOST_NODES, self.room) // max(nodes, 1)
        trips = count_trips(loop, limit, self.opsets)
        if isinstance(trips, Skip):
            return trips
        if trips > limit:
            return Skip(f"{trips} trips or more of {nodes} nodes are more than {min(MOST_NODES, self.room)} nodes")
        rows = body.outputs[1 + len(loop.inputs[2:]) :]
        if trips == 0 and any(v.dtype is None or integer_shape(v) is None for v in rows):
            return Skip("it runs no trip, and the shape of its rows is not known")
        self.room -= trips * nodes
        return trips

    def unroll(self, graph: ir.Graph, loop: ir.Node, trips: int) -> None:
        body = _body(loop)
        for value in list(body.initializers.values()):
            body.initializers.pop(str(value.name))
            value.name = free_name(f"{loop.name}/{value.name}", self.taken)
            graph.register_initializer(value)
        own_outputs(body, self.taken)
        state = [v for v in loop.inputs[2:] if v is not None]
        rows: list[list[ir.Value]] = []
        for trip in range(trips):
            results = self.trip(graph, loop, trip, state)
            state = results[1 : 1 + len(state)]
            rows.append(results[1 + len(state) :])
        scanned = body.outputs[1 + len(state) :]
        for i, old in enumerate(loop.outputs):
            if old.uses() or old.is_graph_output():
                is_state = i < len(state)
                place = i - len(state)
                new = state[i] if is_state else self.stack(graph, loop, scanned[place], [r[place] for r in rows])
                replace_value(graph, old, new)
        graph.remove(loop, safe=True)

    def trip(self, graph: ir.Graph, loop: ir.Node, trip: int, state: Sequence[ir.Value]) -> list[ir.Value]:
        """Insert one copy of the body before the loop. Returns the copy's outputs."""
        copy = _body(loop).clone(allow_outer_scope_values=True)
        given: dict[ir.Value, ir.Value] = dict(zip(copy.inputs[2:], state, strict=True))
        for value, content in zip(copy.inputs, (np.array(trip, np.int64), np.array(True))):
            if value.uses() or value.is_graph_output():
                given[value] = new_initializer(
                    graph, content, free_name(f"{loop.name}/{value.name}/{trip}", self.taken)
                )
        results = [given.get(v, v) for v in copy.outputs]
        copy.outputs.clear()
        for value, new in given.items():
            value.replace_all_uses_with(new)
        nodes = list(copy)
        copy.remove(nodes)
        for node in nodes:
            node.name = f"{node.name}/{trip}" if node.name else None
            for output in node.outputs:
                output.name = free_name(f"{output.name}/{trip}", self.taken)
                if output.shape is not None:  # open dimensions may differ between trips
                    output.shape = ir.Shape([d if isinstance(d, int) else None for d in output.shape])
        graph.insert_before(loop, nodes)
        return results

    def stack(self, graph: ir.Graph, loop: ir.Node, row: ir.Value, rows: Sequence[ir.Value]) -> ir.Value:
        """The rows of all trips along a new first axis."""
        name = free_name(f"{loop.name}/{row.name}", self.taken)
        if not rows:
            assert row.dtype is not None
            empty = np.empty((0, *(integer_shape(row) or ())), row.dtype.numpy())
            return new_initializer(graph, empty, name)
        axis = new_initializer(graph, np.array([0], np.int64), free_name(f"{name}/axis", self.taken))
        nodes = [ir.Node("", "Unsqueeze", [r, axis], name=f"{name}/row/{i}") for i, r in enumerate(rows)]
        for node in nodes:
            node.outputs[0].name = free_name(str(node.name), self.taken)
            node.outputs[0].type = row.type
        joined = ir.Node("", "Concat", [n.outputs[0] for n in nodes], [ir.AttrInt64("axis", 0)], name=name)
        joined.outputs[0].name, joined.outputs[0].type = name, row.type
        graph.insert_before(loop, [*nodes, joined])
        return joined.outputs[0]


def count_trips(loop: ir.Node, limit: int, opsets: dict[str, int]) -> int | Skip:
    """How often the body runs. Above the limit: any number above it."""
    most, starts = (_number(loop.inputs[i], if_left_out) for i, if_left_out in enumerate((limit + 1, True)))
    if most is None:
        return Skip("the number of trips is known only during the run")
    if starts is None:
        return Skip("whether it starts is known only during the run")
    if not starts or most <= 0:
        return 0
    condition = _Condition.of(loop)
    if isinstance(condition, Skip):
        return condition
    return condition.trips(min(int(most), limit + 1), opsets) if condition.decides else int(most)


def _number(value: ir.Value | None, default: int) -> int | float | None:
    return default if value is None else constant_number(value)


@dataclass
class _Condition:
    """The nodes that decide whether a loop continues after a trip.

    nodes    of the body, in order
    states   the carried values that they read, by the value inside: its initial value, and its value after a trip
    fixed    constants that they read
    """

    body: ir.Graph
    nodes: list[ir.Node] = field(default_factory=list)
    states: dict[ir.Value, tuple[Array, ir.Value]] = field(default_factory=dict)
    fixed: dict[ir.Value, Array] = field(default_factory=dict)

    @staticmethod
    def of(loop: ir.Node) -> _Condition | Skip:
        """The condition of a loop. Skip if it depends on values known only during the run."""
        body = _body(loop)
        found, nodes = _Condition(body), set()
        carried = dict(zip(body.inputs[2:], zip(loop.inputs[2:], body.outputs[1:]), strict=False))
        wanted, seen = [body.outputs[0]], set()
        while wanted:
            value = wanted.pop()
            if value in seen or value in body.inputs[:2]:
                continue
            seen.add(value)
            start, after = carried.get(value, (value, None))
            content = constant_array(start)
            if content is not None and after is not None:
                found.states[value] = content, after
                wanted.append(after)
            elif content is not None:
                found.fixed[value] = content
            elif (node := value.producer()) is None or node.graph is not body or not _is_plain(node):
                return Skip(f"whether it goes on depends on {getattr(start, 'name', None) or value.name}")
            else:
                nodes.add(node)
                wanted.extend(v for v in node.inputs if v is not None)
        found.nodes = [node for node in body if node in nodes]
        return found

    @property
    def decides(self) -> bool:
        """Can the condition change? Not if the body returns it unchanged, or returns a constant that is true."""
        value = self.body.outputs[0]
        while (node := value.producer()) is not None and node.op_type == "Identity" and node in self.nodes:
            assert node.inputs[0] is not None
            value = node.inputs[0]
        return value is not self.body.inputs[1] and not (value in self.fixed and bool(self.fixed[value]))

    def trips(self, most: int, opsets: dict[str, int]) -> int | Skip:
        """Count the trips: run only the condition."""
        inputs = [*self.body.inputs[:2], *self.states, *self.fixed]
        outputs = [v for n in self.nodes for v in n.outputs if v.name]
        go_on = self.body.outputs[0]
        try:
            step = reference_of(self.nodes, inputs, outputs, opsets)
            state = {value: content for value, (content, _) in self.states.items()}
            for trip in range(most):
                known = self.fixed | state
                known |= dict(zip(self.body.inputs, (np.array(trip, np.int64), np.array(True))))
                known |= dict(zip(outputs, step([known[v] for v in inputs]), strict=True))
                if not bool(known[go_on]):
                    return trip + 1
                state = {value: known[after] for value, (_, after) in self.states.items()}
        except Exception as error:  # any failure of the evaluator leaves the loop to the run, which reports it
            return Skip(f"the reference evaluator says of its condition: {' '.join(str(error).split())[:200]}")
        return most


def _is_loop(node: ir.Node) -> bool:
    return node.op_type == "Loop" and node.domain == ""


def _body(loop: ir.Node) -> ir.Graph:
    return loop.attributes["body"].as_graph()


def _is_plain(node: ir.Node) -> bool:
    """Does the node always give the same answer for the same inputs, and have no subgraph?"""
    return (
        node.domain == ""
        and node.op_type not in RANDOM | {"Dropout"}
        and not any(a.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS) for a in node.attributes.values())
    )
