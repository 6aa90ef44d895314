"""The whole story: an ONNX model becomes a plan.

import -> profile -> passes -> infer -> lower (all in `analysis`, once for targets of equal abilities) -> memory -> code
-> plan
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Unpack

from burnish.building.analyze import Analysis, Explain, Progress, Stages, analyze, graph_bytes
from burnish.devices.this_machine import target_by_name
from burnish.errors import InternalError, UserError
from burnish.importers.profile import Range, Shape
from burnish.kernels.abilities import Abilities
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Program, TensorRef
from burnish.lower.program import plan_memory
from burnish.plan.manifest import DefaultSpec, Manifest, SymbolRange, TensorSpec, Variant
from burnish.plan.plan import Plan
from burnish.precision.precision import Decision, parse_precision
from burnish.target import Target
from burnish.targets import compiler_of
from burnish.targets.fallback import fallbacks
from burnish.tune import Tuner, TuningOptions
from burnish.version import __version__

DEFAULTS = "defaults"  # where the blobs of inputs' defaults stand


def build(
    source: Any,
    *,
    shapes: Mapping[str, Shape] | None = None,
    profile: Mapping[str, Range] | None = None,
    target: str | Sequence[str] | None = None,
    workspace: int | None = None,
    precision: str = "fp32",
    output_precision: str | None = None,
    allow_fallback: bool = False,
    overridable: bool = False,
    explain: Explain | None = None,
    explain_precision: Callable[[Decision], None] = lambda decision: None,
    progress: Progress | None = None,
    **tuning: Unpack[TuningOptions],
) -> Plan:
    """Compile a model into a plan.

    source:    a path, bytes, an onnx.ModelProto or an onnx_ir.Model
    shapes:    fixed shape by input name; profile: (min, opt, max) by input name; an input in neither that is dynamic is
               fixed at 1 on every dynamic axis, and the plan's notes say so
    target:    "cpu" (this machine's level), "cpu:x86-64-v3", "cuda" (this machine's GPU), "cuda:sm_90a"; or several, in
               a list or with commas: one plan that holds code for each; what is named twice counts once
    workspace: limit of the memory for intermediates [bytes]
    precision: fp32, fp16 or bf16: what f32 values become where that is safe; outputs stay f32 or are output_precision
    allow_fallback: on a GPU, what has no kernel may run on the host's reference kernel; notes list it with its cost
    overridable: initializers that are also inputs stay inputs, which callers may leave out; else they are constants
    explain:   gets the nodes before and after each pass, and the time of each stage; explain_precision: each decision
    tuning:    timing_cache, locked, opt_level, tune_budget, tuned_for, note_tuning: see `tune.TuningOptions`
    raises:    E1xx for the model, E2xx for what has no lowering, E3xx for targets and memory, E6xx for shapes
    """
    stages, wanted = Stages(explain, progress), parse_precision(precision, output_precision)
    tuner = Tuner.of(stages.explain, progress, **tuning)
    targets = list(dict.fromkeys(target_by_name(t, wanted.extensions) for t in _names(target)))
    how: dict[str, Any] = {"stages": stages, "precision": wanted, "overridable": overridable}
    analyses: dict[Abilities, Analysis] = {}
    variants, blobs, notes = list[Variant](), dict[str, bytes | memoryview](), dict[str, Sequence[str]]()
    for each in targets:
        abilities = compiler_of(each).abilities
        if abilities not in analyses:
            analyses[abilities] = analyze(source, shapes=shapes, profile=profile, abilities=abilities, **how)
            for decision in _decisions(analyses[abilities], abilities, targets):
                explain_precision(decision)
        found = analyses[abilities]
        _check_fallbacks(found.fallbacks, each, abilities.host_memory or allow_fallback)
        tactics = tuner.choose(found.program, each)
        with stages.stage("code"):
            variant, content = _emit(found.program, each, tactics, workspace)
            variants.append(variant)
            blobs |= content
            stages.explain_tactics(variant)
            notes[str(each)] = found.all_notes([f.cost for f in fallbacks(variant, _surface(found)[0])])
    with stages.stage("plan"):
        options = {"targets": [str(t) for t in targets], "workspace": workspace, **wanted.words}
        options |= {"overridable": True} if overridable else {}  # few plans have it
        manifest = _manifest(list(analyses.values()), variants, _notes(notes), options)
        blobs |= _model_blobs(next(iter(analyses.values())))
    stages.explain_times()
    return Plan(manifest, blobs)


def _emit(
    program: Program, target: Target, tactics: Mapping[str, Schedule], workspace: int | None
) -> tuple[Variant, Mapping[str, bytes | memoryview]]:
    """Memory and code for one target. E320 past the workspace limit."""
    arena = plan_memory(program, workspace)
    variant, content = compiler_of(target).emit_program(program, arena, tactics)
    if workspace is not None and variant.arena_bytes > workspace:
        raise _too_large(variant, arena.size_bytes, workspace)
    return variant, content


def _model_blobs(found: Analysis) -> dict[str, bytes]:
    """The graph, and the defaults of inputs."""
    return {"graph": graph_bytes(found.model)} | {f"{DEFAULTS}/{n}": a.tobytes() for n, a in found.defaults.items()}


def _manifest(
    analyses: Sequence[Analysis], variants: Sequence[Variant], notes: tuple[str, ...], options: dict[str, Any]
) -> Manifest:
    first, *others = analyses
    surface = _surface(first)
    if any(_surface(x) != surface for x in others):
        raise InternalError("E311", "the plan's targets disagree on its inputs and outputs", why=f"{surface}")
    return Manifest(
        producer=f"burnish {__version__}",
        model_name=first.name,
        model_sha256=first.sha256,
        options=options,
        symbols=surface[0],
        inputs=surface[1],
        outputs=surface[2],
        variants=tuple(variants),
        notes=notes,
        graph="graph",
        presentations=first.presentations,
        defaults=tuple(DefaultSpec(n, a.shape, f"{DEFAULTS}/{n}") for n, a in first.defaults.items()),
    )


def _decisions(found: Analysis, abilities: Abilities, targets: Sequence[Target]) -> list[Decision]:
    """What a narrower precision did to each node, and for which of the targets if not for all."""
    own = [str(t) for t in targets if compiler_of(t).abilities == abilities]
    name = "" if len(own) == len(targets) else ", ".join(own)
    return [replace(decision, target=name) for decision in found.decisions]


def _notes(by_target: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Each once; one that is not true of all targets names those of which it is."""
    whose = {n: [t for t, own in by_target.items() if n in own] for notes in by_target.values() for n in notes}
    return tuple(n if len(names) == len(by_target) else f"{', '.join(names)}: {n}" for n, names in whose.items())


Surface = tuple[tuple[SymbolRange, ...], tuple[TensorSpec, ...], tuple[TensorSpec, ...]]


def _surface(found: Analysis) -> Surface:
    """What a plan says once for all its targets."""
    program, from_data = found.program, found.inferred.from_data
    symbols = tuple(SymbolRange(n, *r, n in from_data) for n, r in program.symbols.items())
    return symbols, tuple(map(_spec, program.inputs)), tuple(map(_spec, program.outputs))


def _names(target: str | Sequence[str] | None) -> list[str]:
    texts = [target] if isinstance(target, str) else target or ["cpu"]
    return [name.strip() for text in texts for name in text.split(",")]


def _spec(ref: TensorRef) -> TensorSpec:
    return TensorSpec(ref.name, ref.dtype, ref.shape, ref.storage)


def _too_large(variant: Variant, temporaries_bytes: int, limit_bytes: int) -> UserError:
    return UserError(
        "E320",
        f"the plan needs {variant.arena_bytes:,} bytes of workspace; the limit is {limit_bytes:,}",
        where=variant.target,
        why=f"the kernels' own memory (parts of split sums) comes on top of {temporaries_bytes:,} bytes of temporaries",
        hint="raise --workspace, or lower the profile's maximum shapes",
    )


def _check_fallbacks(unsupported: Sequence[tuple[str, str]], target: Target, are_allowed: bool) -> None:
    if are_allowed or not unsupported:
        return
    raise UserError(
        "E213",
        f"{len(unsupported)} node{'s have' if len(unsupported) > 1 else ' has'} no kernel for {target}",
        why="\n         ".join(f"{node}: {why}" for node, why in unsupported),
        hint="burnish build --allow-fallback runs them on the host and says what it costs; or build for a cpu target",
    )
