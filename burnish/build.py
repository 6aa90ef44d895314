"""The whole story: an ONNX model becomes a plan. Each stage is timed; `explain` gets the table, line by line.

import -> profile -> passes -> infer -> lower -> memory -> code, for each target -> plan
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import onnx_ir as ir

import burnish
from burnish.devices.machine import best_target
from burnish.importers import load_model
from burnish.importers.profile import Profile, Range, Shape, resolve_profile, symbol_ranges
from burnish.lower.program import lower, plan_memory
from burnish.lower.task import Branch, Program, ReferenceStep, Step, TensorRef
from burnish.ops.infer import Inferred, infer
from burnish.ops.registry import is_defined
from burnish.passes.context import PassContext, PassReport
from burnish.passes.pipeline import optimize
from burnish.plan.manifest import Manifest, Plan, SymbolRange, TensorSpec
from burnish.precision.widen_half import widen_half
from burnish.target import Target, parse_target
from burnish.targets.cpu.program import emit_program

Explain = Callable[[str], None]
Progress = Callable[[str, int, int], None]
STAGES = ("import", "passes", "infer", "lower", "code", "plan")


@dataclass(eq=False)
class Analysis:
    """A model up to the point where targets differ: what `build` compiles and `inspect` shows."""

    model: ir.Model
    name: str
    sha256: str
    profile: Profile
    passes: PassReport
    inferred: Inferred
    program: Program
    times_ms: dict[str, float] = field(default_factory=dict)


def build(
    source: Any,
    *,
    shapes: Mapping[str, Shape] | None = None,
    profile: Mapping[str, Range] | None = None,
    target: str | Sequence[str] | None = None,
    threads: int | None = None,
    workspace: int | None = None,
    explain: Explain | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Compile a model into a plan.

    source:    a path, bytes, an onnx.ModelProto or an onnx_ir.Model
    shapes:    fixed shape by input name; profile: (min, opt, max) by input name; an input in neither that is dynamic is
               fixed at 1 on every dynamic axis, and the plan's notes say so
    target:    "cpu" (this machine), "cpu:x86-64-v3", or several: one plan that holds code for each
    workspace: limit of the memory for intermediates [bytes]
    raises:    E1xx for the model, E2xx for what has no lowering, E3xx for targets and memory, E6xx for shapes
    """
    step = _stepper(progress)
    found = analyze(source, shapes=shapes, profile=profile, explain=explain, progress=progress)
    targets = [_target(t) for t in ([target] if isinstance(target, str) else target or ["cpu"])]
    arena = plan_memory(found.program, workspace)
    variants, blobs = [], {}
    with _timed(found.times_ms, "code"):
        for place in targets:
            step(f"compile for {place}", 4)
            variant, content = emit_program(found.program, arena, place, {})
            variants.append(variant)
            blobs.update(content)
    step("plan", 5)
    with _timed(found.times_ms, "plan"):
        blobs["graph"] = graph_bytes(found.model)
        program = found.program
        manifest = Manifest(
            producer=f"burnish {burnish.__version__}",
            model_name=found.name,
            model_sha256=found.sha256,
            options={"targets": [str(t) for t in targets], "workspace": workspace},
            symbols=tuple(SymbolRange(n, *r, n in found.inferred.from_data) for n, r in program.symbols.items()),
            inputs=tuple(_spec(t) for t in program.inputs),
            outputs=tuple(_spec(t) for t in program.outputs),
            variants=tuple(variants),
            notes=notes_of(found),
            graph="graph",
        )
    if explain is not None:
        explain("  ".join(f"{name} {ms:.0f} ms" for name, ms in found.times_ms.items()))
    return Plan(manifest, blobs)


def analyze(
    source: Any,
    *,
    shapes: Mapping[str, Shape] | None = None,
    profile: Mapping[str, Range] | None = None,
    explain: Explain | None = None,
    progress: Progress | None = None,
) -> Analysis:
    """Import, optimise, infer and lower; the same arguments as `build`."""
    step, times = _stepper(progress), dict[str, float]()
    step("import", 0)
    with _timed(times, "import"):
        imported = load_model(source, keep=is_defined)
        resolved = resolve_profile(imported.model, shapes, profile)
        ranges = symbol_ranges(resolved, imported.model.graph)
        sizes = {name: (low, high) for name, (low, _, high) in ranges.items()}
    step("passes", 1)
    with _timed(times, "passes"):
        widened = widen_half(imported.model)  # no cpu level has half arithmetic
        report = optimize(imported.model, PassContext(resolved.fixed, sizes))
    if explain is not None:
        if widened:
            explain(f"widen_half: {widened} values of 16 bits are computed in f32")
        for row in report.rows:
            if row.changes:
                explain(f"{row.name:24} {row.nodes_before:5} -> {row.nodes_after:5} nodes  {row.reason}")
    step("infer", 2)
    with _timed(times, "infer"):
        inferred = infer(imported.model.graph, sizes=sizes)
    step("lower", 3)
    with _timed(times, "lower"):
        program = lower(imported.model.graph, inferred, ranges)
    return Analysis(imported.model, imported.name, imported.sha256, resolved, report, inferred, program, times)


def notes_of(found: Analysis) -> tuple[str, ...]:
    """What a reader of the plan should know: inputs that were fixed, and every node on the reference kernel."""
    fallbacks = [
        f"{s.op_type} '{s.name}' runs on the reference kernel: {_reason(found, s)}"
        for s in _references(found.program.steps)
    ]
    return (*found.profile.notes, *fallbacks)


def graph_bytes(model: ir.Model) -> bytes:
    """The optimised graph as ONNX without its weights, in canonical bytes."""
    proto = ir.to_proto(model)
    for tensor in proto.graph.initializer:
        if len(tensor.raw_data) > 1024:
            tensor.ClearField("raw_data")
    return bytes(proto.SerializeToString(deterministic=True))


def _references(steps: Sequence[Step]) -> Iterator[ReferenceStep]:
    for step in steps:
        if isinstance(step, ReferenceStep):
            yield step
        elif isinstance(step, Branch):
            yield from _references(step.then)
            yield from _references(step.otherwise)


def _reason(found: Analysis, step: ReferenceStep) -> str:
    return next((r for n, r in found.inferred.undefined.items() if n.name == step.name), "no native kernel")


def _target(text: str) -> Target:
    return best_target() if text == "cpu" else parse_target(text)


def _spec(ref: TensorRef) -> TensorSpec:
    return TensorSpec(ref.name, ref.dtype, ref.shape, ref.storage)


def _stepper(progress: Progress | None) -> Callable[[str, int], None]:
    return lambda what, done: progress(what, done, len(STAGES)) if progress is not None else None


@contextmanager
def _timed(times_ms: dict[str, float], stage: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    times_ms[stage] = (time.perf_counter() - start) * 1e3
