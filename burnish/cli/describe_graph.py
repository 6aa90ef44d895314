"""How the passes change a model: operator counts before and after, the optimised graph, why a rule declined."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.cli.parse_shapes import parse_shapes
from burnish.errors import UserError
from burnish.plan import is_plan, write_atomically

if TYPE_CHECKING:
    from burnish.building.analyze import Analysis
    from burnish.passes.rewrite.context import PassReport
    from burnish.passes.rewrite.rule import Rule

PASSES_WITH_REASONS = {
    "fold_branches",
    "fold_constants",
    "unroll_loops",
    "fuse",
}  # these are not rules; `fuse` belongs to the lowering


@dataclass(frozen=True)
class Graph:
    """Operator counts (`before`: None for a plan's), the optimised graph as a serialised ONNX model, and notes."""

    before: dict[str, int] | None
    after: dict[str, int]
    model: bytes
    notes: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """As an ONNX file."""
        write_atomically(path, [self.model])


def optimised(path: Path, shapes: Sequence[str]) -> Graph:
    """The optimised graph. A model is loaded and goes through the passes; a plan stores it (without weights)."""
    if is_plan(path):
        return _stored(path)
    import onnx

    from burnish.importers.export import export_model

    found = _analysis(path, shapes)
    proto = export_model(found.model)
    before = _count(onnx.load(str(path), load_external_data=False).graph)
    return Graph(before, _count(proto.graph), proto.SerializeToString(deterministic=True), found.all_notes())


def _analysis(path: Path, shapes: Sequence[str]) -> Analysis:
    """As a build for this machine's CPU makes it."""
    from burnish.building.analyze import analyze
    from burnish.devices.this_machine import target_by_name
    from burnish.targets import compiler_of

    return analyze(path, shapes=parse_shapes(shapes), abilities=compiler_of(target_by_name("cpu")).abilities)


def explain_rule(path: Path, rule: str, node: str, shapes: Sequence[str]) -> str:
    """What a rule did at a node: it applied, it declined (with its reason), or it was not tried.

    A `*` stands for every rule, or every node.
    raises: E619 for a plan; E623 for a rule or a node that does not exist
    """
    if is_plan(path):
        raise UserError(
            "E619",
            "--why needs the ONNX model, not a plan",
            why="rules speak while a plan is built",
            hint="burnish inspect graph MODEL.onnx --why RULE NODE",
        )
    _check_rule(rule)
    report = _analysis(path, shapes).passes
    _check_node(node, report)
    applied = [
        f"{r} at '{n}': it applied" + (f", together with '{last}'" if last != n else "")
        for (r, n), last in report.applied.items()
        if rule in ("*", r) and node in ("*", n)
    ]
    declined = report.why("" if rule == "*" else rule, "" if node == "*" else node)
    lines = [*applied, *(f"{entry.rule} at '{entry.node}': {entry.reason}" for entry in declined)]
    return "\n".join(lines) or _not_tried(rule, node)


def _not_tried(rule: str, node: str) -> str:
    starts = {name for r in _rules() if r.name == rule for name in r.root.op_types}
    at = "at any node" if node == "*" else f"at '{node}'"
    why = f": it looks at {', '.join(sorted(starts))} nodes only" if starts else ""
    return f"{'No rule' if rule == '*' else rule} was {'' if rule == '*' else 'not '}tried {at}{why}"


def _check_rule(rule: str) -> None:
    """E623 unless there is such a rule, or a pass that gives reasons."""
    from burnish.passes.pipeline import each_pass

    known = {r.name for r in _rules()} | PASSES_WITH_REASONS
    if rule == "*" or rule in known:
        return
    for member in each_pass():
        if member.name == rule:
            own = ", ".join(r.name for r in member.members)
            why = f"it is a pass; its rules are {own}" if own else "it is a pass without rules, and gives no reasons"
            raise UserError("E623", f"there is no rule '{rule}'", why=why, hint="name a rule, or * for all of them")
    raise UserError(
        "E623", f"there is no rule '{rule}'", why=f"the rules are {', '.join(sorted(known))}", hint=_near(rule, known)
    )


def _check_node(node: str, report: PassReport) -> None:
    """E623 unless the model had such a node, before the passes or after any of them."""
    known = {n for _, n in (*report.applied, *report.declined)} | report.nodes
    if node != "*" and node not in known:
        why = f"there are {len(known)} nodes, counting those that rules have made"
        raise UserError("E623", f"the model has no node '{node}'", why=why, hint=_near(node, known))


def _rules() -> Iterator[Rule]:
    from burnish.passes.pipeline import each_pass

    return (rule for member in each_pass() for rule in member.members)


def _near(name: str, known: Iterable[str]) -> str:
    """A hint with the closest known name, if any name is close."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f"did you mean '{close[0]}'?" if close else "* stands for all of them"


def _stored(path: Path) -> Graph:
    import onnx

    from burnish.plan import read

    plan = read(path)
    if not plan.manifest.graph:
        raise UserError("E619", f"{path} holds no graph", why="it was built without one", hint="inspect the ONNX model")
    model = bytes(plan.blobs[plan.manifest.graph])
    return Graph(None, _count(onnx.ModelProto.FromString(model).graph), model)


def _count(graph: Any) -> dict[str, int]:
    """Operators of a GraphProto and of all graphs inside it."""
    found: Counter[str] = Counter()
    for node in graph.node:
        found[f"{node.domain}.{node.op_type}".lstrip(".")] += 1
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                found.update(_count(inner))
    return dict(found)
