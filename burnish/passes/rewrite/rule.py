"""A rewrite rule: what it looks for, when it applies, and what it writes instead.

    class FusePair(Rule):
        def pattern(self, op, x, y):             # each parameter is a variable; see PatternBuilder
            return op.Relu(op.Add(x, y, _name="add"))
        def check(self, match) -> Skip | None:   # anything but a Skip is handed to rewrite
            if match.y.shape is None:
                return Skip(f"the shape of {match.y.name} is unknown")
        def rewrite(self, op, match, found):     # as many values as the last node has outputs
            return op.AddRelu(match.x, match.y, _domain="ai.burnish")

A rule about single nodes sets `op_types` and has no `pattern`. A rule that recognises a formula, independent of the
nodes that express it, sets `op_types` and overrides `find`. A rule keeps no state. It declines if an inner value has
other users, unless `may_duplicate` is set (the inner nodes then stay for those users).
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import onnx_ir as ir

from burnish.errors import InternalError
from burnish.passes.rewrite.constants import Array, constant_array, new_initializer
from burnish.passes.rewrite.context import PassReport
from burnish.passes.rewrite.pattern import Bindings, Misses, Operator, Output, PatternBuilder, Variable, solve_node
from burnish.passes.rewrite.rewire import is_used, replace_value

SOURCES = "burnish.sources"
MAX_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Skip:
    """The rule does not apply, and why: a clause that names nodes and numbers."""

    reason: str


@dataclass(frozen=True)
class Match:
    """A place where a rule's pattern fits. `match.x` is the value of variable x, `match.conv` the node named conv."""

    root: ir.Node
    nodes: tuple[ir.Node, ...]
    names: dict[str, Any]

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["names"][name]
        except KeyError:
            raise AttributeError(f"the pattern binds no {name}") from None

    def array(self, name: str) -> Array | None:
        """The content of a constant variable, otherwise None."""
        return constant_array(self.names[name])


class Builder:
    """`op` inside `Rule.rewrite`: op.Conv(x, W, strides=[1, 1]) makes a node and returns its value or values."""

    def __init__(self, match: Match) -> None:
        self._match = match
        self.nodes: list[ir.Node] = []

    def __getattr__(self, op_type: str) -> Callable[..., Any]:
        return lambda *inputs, **options: self.node(op_type, *inputs, **options)

    def node(
        self,
        op_type: str,
        *inputs: ir.Value | None,
        _domain: str = "",
        _outputs: int = 1,
        _name: str | None = None,
        **attributes: Any,
    ) -> Any:
        """A new node; attributes that are None are left out. `_domain="ai.burnish"` for fused operators."""
        given = [ir.convenience.convert_attribute(k, v) for k, v in attributes.items() if v is not None]
        node = ir.Node(_domain, op_type, list(inputs), given, num_outputs=_outputs, name=_name)
        self.nodes.append(node)
        return node.outputs[0] if _outputs == 1 else tuple(node.outputs)

    def constant(self, array: Array | float | Sequence[int], name: str, dtype: Any = None) -> ir.Value:
        """A new initializer of the graph; its name is made unique. Lists of int become i64."""
        graph = self._match.root.graph
        assert graph is not None
        return new_initializer(graph, np.asarray(array, dtype=dtype), name)


class Rule:
    """Base of all rewrite rules; see the module's text."""

    op_types: ClassVar[tuple[str, ...]] = ()
    may_duplicate: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return type(self).__name__

    def pattern(self, op: PatternBuilder, *variables: Any, **named: Any) -> Any:
        """What to look for: the Output of the last node."""
        return op.one_of(self.op_types, _more_inputs=True)

    def check(self, match: Match) -> Any:
        """A Skip with its reason, or the information that `rewrite` needs."""
        return None

    def rewrite(self, op: Builder, match: Match, found: Any) -> ir.Value | Sequence[ir.Value]:
        """Values that replace the outputs of `match.root`."""
        raise NotImplementedError

    @cached_property
    def root(self) -> Operator:
        """The pattern's last node, built once."""
        parameters = list(inspect.signature(self.pattern).parameters.values())[1:]
        names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        output = self.pattern(PatternBuilder(), *(Variable(n) for n in names))
        assert isinstance(output, Output), f"{self.name}.pattern returns the output of its last node"
        return output.node

    def find(self, node: ir.Node) -> Match | Skip:
        """Match the pattern with `node` as its last one."""
        misses = Misses()
        refused: Skip | None = None
        for bound in solve_node(self.root, node, Bindings(), misses):
            match = _as_match(node, bound)
            refused = None if self.may_duplicate else shared_inner_value(match)
            if refused is None:
                return match
        return refused or Skip(misses.reason)


def apply_rules(graph: ir.Graph, rules: Iterable[Rule], report: PassReport) -> int:
    """Rewrite wherever a rule applies, including subgraphs, until none applies. Returns the number of rewrites."""
    by_type: dict[tuple[str, str], list[Rule]] = {}
    for rule in rules:
        for op_type in rule.root.op_types:
            by_type.setdefault((rule.root.domain, op_type), []).append(rule)
    total = 0
    for _ in range(MAX_ROUNDS):
        changes = _apply_once(graph, by_type, report)
        total += changes
        if not changes:
            return total
    raise InternalError(
        "E910",
        f"rules keep rewriting: {', '.join(sorted({r.name for rs in by_type.values() for r in rs}))}",
        where=f"graph {graph.name!r}",
        why=f"no fixpoint after {MAX_ROUNDS} rounds; a rule must not match its own result",
    )


def sources(node: ir.Node) -> tuple[str, ...]:
    """The names of the model's nodes that a node replaced; its own name if it was never rewritten."""
    written = node.metadata_props.get(SOURCES)
    return tuple(json.loads(written)) if written else (node.name or node.op_type,)


def _apply_once(
    graph: ir.Graph, by_type: dict[tuple[str, str], list[Rule]], report: PassReport, is_inner: bool = False
) -> int:
    changes = 0
    for node in graph:
        for attribute in node.attributes.values() if node.attributes else ():
            if attribute.type == ir.AttributeType.GRAPH and not attribute.is_ref():
                changes += _apply_once(attribute.as_graph(), by_type, report, True)
        for rule in by_type.get((node.domain, node.op_type), ()):
            if _rewrite_at(node, rule, report, is_inner):
                changes += 1
                break
    return changes


def _rewrite_at(node: ir.Node, rule: Rule, report: PassReport, is_inner: bool) -> bool:
    try:
        match = rule.find(node)
        found = match if isinstance(match, Skip) else rule.check(match)
    except (LookupError, ValueError) as error:
        if not is_inner:  # but exporters leave sides of an If behind that do not fit the shapes
            raise
        found = match = Skip(f"{node.name} is not valid: {error}")
    if isinstance(match, Skip) or isinstance(found, Skip):
        report.decline(rule.name, node.name or node.op_type, found.reason)
        return False
    op = Builder(match)
    result = rule.rewrite(op, match, found)
    values = [result] if isinstance(result, ir.Value) else list(result)
    if used := [str(v.name) for v in node.outputs[len(values) :] if v.uses() or v.is_graph_output()]:
        report.decline(rule.name, node.name or node.op_type, f"its output {used[0]} is used too")
        return False
    report.apply(rule.name, node.name or node.op_type, [name for inner in match.nodes for name in sources(inner)])
    replace_node(match, op.nodes, values)
    return True


def replace_node(match: Match, new_nodes: Sequence[ir.Node], new_values: Sequence[ir.Value]) -> None:
    """Insert `new_nodes` before the match's last node, replace its outputs by `new_values`, and drop unused nodes.

    Outputs of the last node without a new value must have no users.
    """
    root, graph = match.root, match.root.graph
    assert graph is not None
    covered = json.dumps(list(dict.fromkeys(name for node in match.nodes for name in sources(node))))
    _name_nodes(root, new_nodes)
    for node in new_nodes:
        node.metadata_props[SOURCES] = covered
    graph.insert_before(root, new_nodes)
    for old, new in zip(root.outputs, new_values):
        replace_value(graph, old, new, made_here=new.producer() in new_nodes)
    _remove_unused([*match.nodes, root])


def _remove_unused(nodes: Sequence[ir.Node]) -> None:
    """Remove these nodes if nothing uses them any more, and nodes of the same graph that only they used."""
    waiting = list(nodes)
    while waiting:
        node = waiting.pop()
        graph = node.graph
        if graph is None or is_used(node):
            continue
        waiting += [
            p for p in (v.producer() for v in node.inputs if v is not None) if p is not None and p.graph is graph
        ]
        graph.remove(node, safe=True)


def _name_nodes(root: ir.Node, new_nodes: Sequence[ir.Node]) -> None:
    """The last new node takes the root's name, those before it are root/Op, root/Op_1 ..."""
    taken: set[str] = set()
    for node in reversed(new_nodes):
        if node.name is None:
            base = f"{root.name}/{node.op_type}" if taken else str(root.name)
            name, n = base, 0
            while name in taken:
                n += 1
                name = f"{base}_{n}"
            node.name = name
        taken.add(str(node.name))


def _as_match(root: ir.Node, bound: Bindings) -> Match:
    names: dict[str, Any] = dict(bound.values)
    names.update({p.name: n for p, n in bound.nodes.items() if p.name is not None})
    inner = [n for n in bound.nodes.values() if n is not root]
    return Match(root, (*reversed(inner), root), names)


def shared_inner_value(match: Match) -> Skip | None:
    inside = set(match.nodes)
    for node in match.nodes:
        if node is match.root:
            continue
        if node.graph is not match.root.graph:
            return Skip(f"{node.name} lies outside the subgraph of {match.root.name}")
        for output in node.outputs:
            others = [u.node for u in output.uses() if u.node not in inside]
            if others:
                users = ", ".join(str(n.name) for n in others[:3])
                return Skip(f"{node.op_type} result {output.name} has {len(others)} other users: {users}")
            if output.is_graph_output():
                return Skip(f"{node.op_type} result {output.name} is an output of the graph")
    return None
