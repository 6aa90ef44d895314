"""Find where error is made, and not only handed on, and name the cause of each place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import onnx_ir as ir

from burnish.building.analyze import passes_for, prepare
from burnish.doctor import long_sum, stored_codes
from burnish.doctor.case import take_cases
from burnish.doctor.causes.cancellation import CAUSE as CANCELLATION
from burnish.doctor.causes.dead_channel import CAUSE as DEAD_CHANNEL
from burnish.doctor.causes.not_a_number import CAUSE as NOT_A_NUMBER
from burnish.doctor.finding import Finding, Picture, Row
from burnish.doctor.histogram import picture_of
from burnish.doctor.limits import OUTPUT, launch_limit, width_of
from burnish.doctor.meaning import meanings_of
from burnish.doctor.name_cause import name_cause
from burnish.doctor.observe import Observation, Observed, Progress, Sample, observe, worst
from burnish.doctor.rebuilt import Rebuilt, build_arguments, precision_of, rebuild
from burnish.doctor.reference import Reference
from burnish.doctor.tasks import Tasks
from burnish.importers.load import load_model
from burnish.ops.registry import is_defined
from burnish.plan.plan import Plan
from burnish.precision.precision import Precision
from burnish.precision.quantise.write_codes import write_codes
from burnish.runtime import Engine, load
from burnish.target import parse_target
from burnish.targets import compiler_of

SMALL = (CANCELLATION, DEAD_CHANNEL)  # causes that small roundings before may have
MOST_FINDINGS = 8  # whose cause is looked for, in the plan's order


@dataclass(frozen=True, eq=False)
class Located:
    """What one plan's launches showed. width: the narrowest type in it; picture: of where most error is made."""

    findings: tuple[Finding, ...]
    rows: tuple[Row, ...]
    seen: Observation
    width: str
    target: str
    picture: Picture | None

    @property
    def error(self) -> float:
        return worst(self.seen.outputs.values())

    @property
    def limit(self) -> float:
        return OUTPUT[self.width]

    @property
    def is_healthy(self) -> bool:
        return not self.findings and self.error <= self.limit


def locate(
    model: Any,
    plan: Plan,
    engine: Engine,
    reference: Reference,
    samples: Sequence[Sample],
    progress: Progress,
) -> Located:
    """Take a loaded plan apart and look at each launch. E757, E758 if it is not this model's, or of another version."""
    found, precision = rebuild(model, plan, engine.variant), precision_of(plan)
    written = written_graph(model, plan, found)
    meanings = meanings_of(written, found.analysis.model.graph)
    with (
        load(found.plan, threads=engine.threads, device=engine.device) as cut,
        Tasks(found, cut, meanings) as tasks,
    ):
        seen = observe(tasks, reference, samples, progress)
        limits = {o.boundary.name: launch_limit(o.boundary, tasks, meanings, precision) for o in seen.boundaries}
        width = width_of(precision, tasks)
        chosen = _makers(seen.boundaries, limits)[:MOST_FINDINGS]
        cases = take_cases(tasks, reference, written, meanings, chosen, samples, _own_word(precision))
        findings = _nan(seen, reference) + [f for f in map(name_cause, cases) if f.cause is not NOT_A_NUMBER]
        findings = [*stored_codes.find(load_model(model, is_defined).model.graph, reference.graph), *findings]
        findings = [_of_output(f, plan) for f in findings]
        if worst(seen.outputs.values()) > OUTPUT[width] and all(f.cause in SMALL for f in findings):
            some = long_sum.suspects(seen.boundaries)
            cases = take_cases(tasks, reference, written, meanings, some, samples, _own_word(precision))
            more = long_sum.find(cases) or (None if findings else long_sum.find_growth(cases, seen))
            findings = [*([] if more is None else [more]), *findings]
        most = max(chosen or seen.boundaries, key=lambda o: o.made.error / limits[o.boundary.name], default=None)
        shown = [] if most is None else take_cases(tasks, reference, written, meanings, [most], samples[:1], "")
        picture = picture_of(shown[0]) if shown else None
    spoilt = _spoilt(seen.boundaries, limits)
    rows = tuple(_row(own, limits[own.boundary.name], spoilt) for own in seen.boundaries)
    return Located(tuple(findings), rows, seen, width, found.variant.target, picture)


def written_graph(model: Any, plan: Plan, found: Rebuilt) -> ir.Graph:
    """The graph of a plan where quantisation is written as QuantizeLinear and DequantizeLinear around f32 operators."""
    own = build_arguments(plan)
    abilities = compiler_of(parse_target(found.variant.target)).abilities
    precision = precision_of(plan)
    bounds = {"profile": own["profile"], "overridable": own["overridable"]}
    prepared = prepare(model, **bounds, abilities=abilities, passes=passes_for(precision))
    graph = prepared.imported.model.graph
    write_codes(graph, precision)
    return graph


def _makers(boundaries: Sequence[Observed], limits: Mapping[str, float]) -> list[Observed]:
    """The boundaries at which error is made: those that cannot keep the exact numbers, and launches that lose more than
    is usual although what they read can be kept."""
    spoilt = _spoilt(boundaries, limits)
    return [
        own
        for own in boundaries
        if own.boundary.name in spoilt
        or ((own.made.error > limits[own.boundary.name] or own.made.lost) and not spoilt & {*own.boundary.reads})
    ]


def _spoilt(boundaries: Sequence[Observed], limits: Mapping[str, float]) -> set[str]:
    """The boundaries that cannot keep the exact numbers."""
    return {o.boundary.name for o in boundaries if o.stored.error > limits[o.boundary.name] or o.stored.lost}


def _row(own: Observed, limit: float, spoilt: set[str]) -> Row:
    at = own.boundary
    is_blameless = at.name not in spoilt and bool(spoilt & {*at.reads})
    return Row(at.name, at.nodes, at.slot.dtype.value, own.whole.error, own.made.error, limit, is_blameless)


def _nan(seen: Observation, reference: Reference) -> list[Finding]:
    """Where the f32 model's first NaN is."""
    if not seen.nan:
        return []
    name, count = next(iter(seen.nan.items()))
    node = next((n for n in reference.graph if any(v.name == name for v in n.outputs)), None)
    where = f"input '{name}'" if node is None else f"{node.op_type} '{node.name}'"
    text = f"{count} numbers of '{name}' are NaN in f32, too; it is the first such tensor"
    advice = "look at the data and at the weights: no precision mends it"
    layer = name if node is None else str(node.name)
    return [Finding(NOT_A_NUMBER, layer, name, f"{text} ({where})", float("inf"), advice=advice)]


def _of_output(found: Finding, plan: Plan) -> Finding:
    """An output that the build was asked to narrow: no layer's precision changes that."""
    asked = plan.manifest.options.get("output_precision", "fp32")
    if asked == "fp32" or found.tensor not in {t.name for t in plan.manifest.outputs}:
        return found
    return replace(found, raises=(), advice=f"the output was asked for in {asked}: build with --output-precision fp32")


def _own_word(precision: Precision) -> str:
    """What a product computes in once it leaves int8."""
    return precision.words["precision"].partition("+")[2] or "fp32"
