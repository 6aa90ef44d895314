"""The whole story: an ONNX model becomes a plan.

import -> profile -> passes -> infer -> lower (all in `analysis`, once for targets of equal abilities) -> memory -> code
-> plan
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from burnish.arguments import expect, expect_function, flag, parse_size, wrong_kind
from burnish.building.analyze import Analysis, Explain, Progress, Stages, analyze, graph_bytes
from burnish.building.artefacts import Artefacts
from burnish.building.check_memory import check_memory
from burnish.building.guard import coded
from burnish.devices.this_machine import target_by_name
from burnish.errors import InternalError, UserError
from burnish.importers.profile import Range, Shape
from burnish.kernels.abilities import Abilities
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Program
from burnish.kernels.work import multiplies_integers
from burnish.lower.program import plan_memory
from burnish.plan.manifest import DefaultSpec, LaunchSpec, Manifest, SymbolRange, TensorSpec, Variant
from burnish.plan.plan import Plan
from burnish.precision.apply_precision import weight_notes
from burnish.precision.precision import Decision, Precision, parse_precision
from burnish.precision.precision_config import PrecisionConfig, read_precision_config
from burnish.precision.range_text import RANGES, range_bytes
from burnish.precision.ranges import Ranges
from burnish.target import INTEGER_EXTENSIONS, Target
from burnish.targets import Compiler, compiler_of
from burnish.targets.fallback import fallbacks
from burnish.tune import TimingCache, Tuner, TuningOptions
from burnish.version import __version__

DEFAULTS = "defaults"  # where the blobs of inputs' defaults stand


@coded
def build(
    source: Any,
    *,
    shapes: Mapping[str, Shape | str] | None = None,
    profile: Mapping[str, Range] | None = None,
    batch: Sequence[int] | str | None = None,
    target: str | Sequence[str] | None = None,
    workspace: int | str | None = None,
    max_memory: int | str | None = None,
    precision: str = "fp32",
    output_precision: str | None = None,
    ranges: Ranges | None = None,
    precision_config: PrecisionConfig = None,
    allow_fallback: bool = False,
    overridable: bool = False,
    index_checks: bool = True,
    timing_cache: str | os.PathLike[str] | TimingCache | None = None,
    locked: bool = False,
    opt_level: int = 0,
    tune_budget: float | None = None,
    tuned_for: str = "",
    note_tuning: Explain | None = None,
    explain: Explain | None = None,
    explain_precision: Callable[[Decision], None] | None = None,
    progress: Progress | None = None,
    artefacts: Artefacts | None = None,
) -> Plan:
    """Compile a model into a plan.

    source:     a path, bytes, an onnx.ModelProto or an onnx_ir.Model
    shapes:     fixed shape by input name, (1, 3, 8, 8) or "1x3x8x8"; profile: (min, opt, max) by input name; an input
                in neither is fixed at 1 on every dynamic axis, with a note, or gets batch ("1:4:8") on its first one
    target:     "cpu" (this machine's level), "cpu:x86-64-v3", "cuda" or "cuda:1" (its GPU), "cuda:sm_90a"; or several,
                in a list or with commas: one plan that holds code for each; what is named twice counts once
    workspace, max_memory: bytes, or "1GiB": of what one tactic may need, and of all memory at the profile's maximum
    precision:  fp32, fp16, bf16 where that is safe, output_precision for outputs; int8, int8+fp16 .. by `ranges`;
                precision_config: that of some nodes, from a TOML file or such a mapping
    allow_fallback: on a GPU, what has no kernel may run on the host's reference kernel; notes list it with its cost
    overridable: initializers that are also inputs stay inputs; index_checks: a run with an index out of range is E525
    timing_cache .. note_tuning: how tactics are chosen, see `tune.TuningOptions`
    explain:    gets the nodes before and after each pass, and the time of each stage; explain_precision: each decision;
                artefacts: graphs, sources and assembly, which it shows, writes, or replaces by edited ones
    raises:     E1xx for the model, E2xx if a node has no lowering, E3xx for targets and memory, E6xx for arguments
    """
    _check_kinds(artefacts, ranges, explain=explain, explain_precision=explain_precision, progress=progress)
    stages, tuning = Stages(explain, progress, artefacts), TuningOptions(timing_cache=timing_cache, locked=locked)
    wanted = parse_precision(precision, output_precision, ranges, read_precision_config(precision_config))
    tuning |= {"opt_level": opt_level, "tune_budget": tune_budget, "tuned_for": tuned_for, "note_tuning": note_tuning}
    request = Request(
        {t: target_by_name(t, wanted.extensions) for t in _names(target)},
        wanted,
        *_limits(workspace, max_memory),
        flag("allow_fallback", allow_fallback),
        flag("overridable", overridable),
        flag("index_checks", index_checks),
        Tuner.of(stages.explain, progress, **tuning),
        stages,
        explain_precision or (lambda decision: None),
    )
    return _build(request, partial(analyze, source, shapes=shapes, profile=profile, batch=batch, stages=stages))


def _limits(workspace: int | str | None, max_memory: int | str | None) -> tuple[int | None, int | None]:
    """Both in bytes."""
    return (
        None if workspace is None else parse_size(workspace, "workspace"),
        None if max_memory is None else parse_size(max_memory, "max_memory"),
    )


def _check_kinds(artefacts: object, ranges: object, **functions: object) -> None:
    """E605 for what cannot receive anything, and for what are no ranges."""
    if ranges is not None:
        expect("ranges", ranges, Ranges, "what burnish.calibrate returns")
    for name, function in functions.items():
        if function is not None:
            expect_function(name, function, f"{name}=print")
    if artefacts is not None:
        expect("artefacts", artefacts, Artefacts, "burnish.building.artefacts.Artefacts(dump=Path('folder'))")


@dataclass(frozen=True, eq=False)
class Request:
    """The checked arguments of `build`."""

    targets: dict[str, Target]  # by the caller's name
    precision: Precision
    workspace: int | None
    max_memory: int | None
    allow_fallback: bool
    overridable: bool
    index_checks: bool
    tuner: Tuner
    stages: Stages
    explain_precision: Callable[[Decision], None]

    def target_of(self, name: str, program: Program) -> Target:
        """The target of a name. `cpu` gets the extensions for products of integers too, if the program has any."""
        if name != "cpu" or not multiplies_integers(program):
            return self.targets[name]
        return target_by_name(name, (*self.precision.extensions, *INTEGER_EXTENSIONS))


def _build(request: Request, analyze: Callable[..., Analysis]) -> Plan:
    stages, limit, targets = request.stages, request.max_memory, list(dict.fromkeys(request.targets.values()))
    analyses: dict[Abilities, Analysis] = {}
    variants, blobs, notes = list[Variant](), dict[str, bytes | memoryview](), dict[str, Sequence[str]]()
    for name, asked in request.targets.items():
        abilities, dropped = compiler_of(asked).abilities, list[str]()
        if request.precision.multiplies_float8 and not abilities.stores_float8:
            raise _no_float8(asked)
        if abilities not in analyses:
            analyses[abilities] = analyze(
                abilities=abilities,
                precision=request.precision,
                overridable=request.overridable,
                workspace=request.workspace,
                index_checks=request.index_checks,
            )
            for decision in _decisions(analyses[abilities], abilities, targets):
                request.explain_precision(decision)
        found = analyses[abilities]
        each = request.target_of(name, found.program)
        if str(each) in notes:
            continue  # another name for the same
        compiler = compiler_of(each)
        _check_fallbacks(found.fallbacks, each, abilities.host_memory or request.allow_fallback)
        tactics = request.tuner.choose(found.program, each)
        with stages.stage("code"):
            arena = plan_memory(found.program, limit)
            variant, content = compiler.emit_program(
                found.program, arena, tactics, dropped.append, stages.artefacts.keep
            )
            check_memory(variant, content, found.program, arena, limit)
            variants.append(variant)
            blobs |= content
            stages.explain_tactics(variant, found.program, compiler)
            costs = [f.cost for f in fallbacks(variant, _surface(found)[0])]
            narrow = {n for launch in variant.launches if _widens_weights(launch, compiler) for n in launch.nodes}
            notes[str(each)] = (*found.all_notes(costs), *dropped, *weight_notes(found.decisions, narrow))
    with stages.stage("plan"):
        options = {"targets": list(notes), "workspace": request.workspace, **request.precision.words}
        options |= {} if limit is None else {"max_memory": limit}
        options |= {} if request.index_checks else {"index_checks": False}
        options |= {"overridable": True} if request.overridable else {}  # few plans have it
        own = (*_notes(notes), *stages.artefacts.notes())
        manifest = _manifest(list(analyses.values()), variants, own, options)
        blobs |= _model_blobs(next(iter(analyses.values()))) | _range_blob(request.precision.ranges)
    stages.explain_times()
    return Plan(manifest, blobs)


def _model_blobs(found: Analysis) -> dict[str, bytes]:
    """The graph, and the defaults of inputs."""
    return {"graph": graph_bytes(found.model)} | {f"{DEFAULTS}/{n}": a.tobytes() for n, a in found.defaults.items()}


def _range_blob(ranges: Ranges | None) -> dict[str, bytes]:
    """What `verify` quantises the model with once more."""
    return {} if ranges is None else {RANGES: range_bytes(ranges)}


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
        output_shapes=first.program.output_shapes,
    )


def _decisions(found: Analysis, abilities: Abilities, targets: Sequence[Target]) -> list[Decision]:
    """The effect of a narrower precision on each node, and for which targets if not for all."""
    own = [str(t) for t in targets if compiler_of(t).abilities == abilities]
    name = "" if len(own) == len(targets) else ", ".join(own)
    return [replace(decision, target=name) for decision in found.decisions]


def _widens_weights(launch: LaunchSpec, compiler: Compiler) -> bool:
    """Does it read a constant in 16 bits, to compute in f32?"""
    schedule = Schedule.parse(launch.tactic)
    options = compiler.options.get(schedule.template)  # None: a reference step
    return options is not None and options.read(schedule).widens_weights


def _notes(by_target: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Every note once. A note that does not apply to all targets names its targets."""
    whose = {n: [t for t, own in by_target.items() if n in own] for notes in by_target.values() for n in notes}
    return tuple(n if len(names) == len(by_target) else f"{', '.join(names)}: {n}" for n, names in whose.items())


Surface = tuple[tuple[SymbolRange, ...], tuple[TensorSpec, ...], tuple[TensorSpec, ...]]


def _surface(found: Analysis) -> Surface:
    """The part of a plan that is the same for all its targets."""
    program, from_data = found.program, found.inferred.from_data
    symbols = tuple(SymbolRange(n, *r, n in from_data) for n, r in program.symbols.items())
    return symbols, program.inputs, program.outputs


def _names(target: str | Sequence[str] | None) -> list[str]:
    texts = [target] if isinstance(target, str) else ["cpu"] if target is None else target
    if not isinstance(texts, list | tuple | set | frozenset) or not texts or any(not isinstance(t, str) for t in texts):
        raise wrong_kind("target", target, 'a text such as "cpu" or "cuda:sm_90a", or a list of them')
    return [name.strip() for text in texts for name in text.split(",")]


def _no_float8(target: Target) -> UserError:
    why = "tensor cores multiply float8 from sm_89 on, and older ones do not convert it either"
    return UserError("E733", f"{target} has no float8", why=why, hint="int8, int8+fp16 or fp16; or a target from sm_89")


def _check_fallbacks(unsupported: Sequence[tuple[str, str]], target: Target, are_allowed: bool) -> None:
    if are_allowed or not unsupported:
        return
    raise UserError(
        "E213",
        f"{len(unsupported)} node{'s have' if len(unsupported) > 1 else ' has'} no kernel for {target}",
        why="\n         ".join(f"{node}: {why}" for node, why in unsupported),
        hint="burnish build --allow-fallback runs them on the host and says what it costs; or build for a cpu target",
    )
