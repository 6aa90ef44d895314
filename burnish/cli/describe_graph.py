"""What the passes make of a model: operator counts before and after, the optimised graph, why a rule declined."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.cli.parse_shapes import parse_shapes
from burnish.errors import UserError
from burnish.plan import write_atomically
from burnish.plan.format import MAGIC


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
    """Of an ONNX model: load and run the passes. Of a plan: the graph that was stored in it (without its weights)."""
    if _is_plan(path):
        return _stored(path)
    import onnx

    from burnish.building.analyze import analyze
    from burnish.importers.export import export_model

    found = analyze(path, shapes=parse_shapes(shapes))
    proto = export_model(found.model)
    before = _count(onnx.load(str(path), load_external_data=False).graph)
    return Graph(before, _count(proto.graph), proto.SerializeToString(deterministic=True), found.all_notes())


def explain_rule(path: Path, rule: str, node: str, shapes: Sequence[str]) -> str:
    """Why a rule left a node alone, in the rule's own words. A `*` stands for every rule, or every node. E619."""
    if _is_plan(path):
        raise UserError(
            "E619",
            "--why needs the ONNX model, not a plan",
            why="rules speak while a plan is built",
            hint="burnish inspect graph MODEL.onnx --why RULE NODE",
        )
    from burnish.building.analyze import analyze

    report = analyze(path, shapes=parse_shapes(shapes)).passes
    found = report.why("" if rule == "*" else rule, "" if node == "*" else node)
    if not found:
        rules = ", ".join(sorted({entry.rule for entry in report.why()})) or "none"
        return f"{rule} was not tried at '{node}', or it applied. Rules that declined somewhere: {rules}"
    return "\n".join(f"{entry.rule} at '{entry.node}': {entry.reason}" for entry in found)


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


def _is_plan(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False
