"""The whole story: an ONNX model becomes a plan.

import -> profile -> passes -> infer -> lower (all in `analysis`) -> memory -> code, for each target -> plan
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import burnish
from burnish.analysis import Explain, Progress, Stages, analyze, graph_bytes
from burnish.devices.machine import best_target
from burnish.importers.profile import Range, Shape
from burnish.lower.program import plan_memory
from burnish.lower.task import TensorRef
from burnish.plan.manifest import Manifest, Plan, SymbolRange, TensorSpec
from burnish.settings import settings
from burnish.target import Target, parse_target
from burnish.targets.cpu.program import emit_program


def build(
    source: Any,
    *,
    shapes: Mapping[str, Shape] | None = None,
    profile: Mapping[str, Range] | None = None,
    target: str | Sequence[str] | None = None,
    workspace: int | None = None,
    explain: Explain | None = None,
    progress: Progress | None = None,
) -> Plan:
    """Compile a model into a plan.

    source:    a path, bytes, an onnx.ModelProto or an onnx_ir.Model
    shapes:    fixed shape by input name; profile: (min, opt, max) by input name; an input in neither that is dynamic is
               fixed at 1 on every dynamic axis, and the plan's notes say so
    target:    "cpu" (this machine's level), "cpu:x86-64-v3", or several: one plan that holds code for each
    workspace: limit of the memory for intermediates [bytes]
    explain:   gets the nodes before and after each pass, and the time of each stage, a line at a time
    raises:    E1xx for the model, E2xx for what has no lowering, E3xx for targets and memory, E6xx for shapes
    """
    stages = Stages(explain, progress)
    targets = [_target(t) for t in ([target] if isinstance(target, str) else target or ["cpu"])]
    found = analyze(source, shapes=shapes, profile=profile, stages=stages)
    program, arena = found.program, plan_memory(found.program, workspace)
    variants, blobs = [], {}
    with stages.stage("code"):
        for each in targets:
            variant, content = emit_program(program, arena, each, {})
            variants.append(variant)
            blobs.update(content)
            if settings().debug >= 3:
                for x in variant.launches:
                    stages.explain(f"{variant.target}  {x.kernel:12} {x.name}  [{x.tactic}]")
    with stages.stage("plan"):
        blobs["graph"] = graph_bytes(found.model)
        manifest = Manifest(
            producer=f"burnish {burnish.__version__}",
            model_name=found.name,
            model_sha256=found.sha256,
            options={"targets": [str(t) for t in targets], "workspace": workspace},
            symbols=tuple(SymbolRange(n, *r, n in found.inferred.from_data) for n, r in program.symbols.items()),
            inputs=tuple(_spec(t) for t in program.inputs),
            outputs=tuple(_spec(t) for t in program.outputs),
            variants=tuple(variants),
            notes=found.notes,
            graph="graph",
        )
    stages.explain_times()
    return Plan(manifest, blobs)


def _target(text: str) -> Target:
    """`cpu` is this machine's level without its extensions: no template uses them unless a precision asks for them."""
    return replace(best_target(), extensions=()) if text == "cpu" else parse_target(text)


def _spec(ref: TensorRef) -> TensorSpec:
    return TensorSpec(ref.name, ref.dtype, ref.shape, ref.storage)
