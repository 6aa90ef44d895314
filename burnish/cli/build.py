"""`burnish build`: ONNX in, plan out."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, astuple
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from burnish.arguments import parse_size
from burnish.cli.calibration.calibrate import Calib, CalibPreprocess, Method, SaveQuantised
from burnish.cli.calibration.gate_options import Curve, Decode, EvalData, Labels, MaxErrors
from burnish.cli.calibration.narrow_build import Narrowing, build_narrow
from burnish.cli.calibration.precision_flags import Wanted
from burnish.cli.calibration.show_accuracy import accuracy_facts, show_accuracy
from burnish.cli.options import AsJson
from burnish.cli.output import format_bytes, note, print_facts, print_json, print_table
from burnish.cli.parse_shapes import ends_alone, parse_ranges, parse_shapes
from burnish.cli.progress import progress
from burnish.errors import UserError

if TYPE_CHECKING:
    from burnish.building.artefacts import Artefacts
    from burnish.plan import Plan
    from burnish.precision.precision import Decision

Texts = list[str] | None
_Shapes = Annotated[
    Texts,
    typer.Option("--shapes", metavar="SHAPES", help="Build for these shapes only: NAME:1x3x224x224,... Repeatable."),
]
_Smallest = Annotated[
    Texts, typer.Option("--min", "--minShapes", metavar="SHAPES", help="Smallest shapes that the plan must run.")
]
_Usual = Annotated[
    Texts, typer.Option("--opt", "--optShapes", metavar="SHAPES", help="Shapes that the plan is tuned for.")
]
_Largest = Annotated[
    Texts, typer.Option("--max", "--maxShapes", metavar="SHAPES", help="Largest shapes that the plan must run.")
]
_Batch = Annotated[
    str | None,
    typer.Option(
        "--batch",
        metavar="MIN:OPT:MAX",
        help="Sizes of the first dimension of each input that no other option names. It must be the only open one.",
    ),
]
_Targets = Annotated[
    Texts,
    typer.Option(
        "--target",
        metavar="TARGET",
        help="What to build for: cpu, cuda or cuda:1 (this machine's), cpu:x86-64-v3, cuda:sm_90a, ... Repeat it for "
        "one plan that runs on several.",
    ),
]
_Workspace = Annotated[
    str | None,
    typer.Option("--workspace", metavar="SIZE", help="Most memory that one tactic may use: 1GiB."),
]
_MaxMemory = Annotated[
    str | None,
    typer.Option(
        "--max-memory",
        metavar="SIZE",
        help="Most memory that weights, intermediate results, inputs and outputs may use together: 1GiB.",
    ),
]
_CacheFile = Annotated[
    Path | None,
    typer.Option(
        "--timing-cache", metavar="FILE", help="Take tactics from this file, and add those that are measured."
    ),
]
_Locked = Annotated[bool, typer.Option("--locked", help="Fail if any task is missing from the timing cache.")]
_Level = Annotated[
    int,
    typer.Option(
        "--opt-level",
        metavar="N",
        help="0: choose tactics by cost model. 1 to 5: measure on this machine; higher levels try more candidates.",
    ),
]
_Budget = Annotated[
    float | None, typer.Option("--tune-budget", metavar="SECONDS", help="Stop measuring after this many seconds.")
]
_TunedFor = Annotated[
    str, typer.Option("--tuned-for", metavar="DEVICE", help="Device whose tactics to use, if the cache has several.")
]
_AllowFallback = Annotated[
    bool,
    typer.Option(
        "--allow-fallback",
        help="Run operators that have no GPU kernel on the host. The plan's notes list them with their cost.",
    ),
]
_Overridable = Annotated[
    bool,
    typer.Option(
        "--overridable",
        help="Keep initializers that are also inputs as inputs that callers may leave out. Otherwise they become "
        "constants.",
    ),
]
_Precision = Annotated[
    str | None,
    typer.Option("--precision", metavar="TYPE", help="fp32 (default), fp16, bf16, int8, fp8, int8+fp16, fp8+bf16, ..."),
]
_PrecisionConfig = Annotated[
    Path | None,
    typer.Option(
        "--precision-config",
        metavar="FILE",
        help="TOML that names the precision of some nodes, by patterns of names, operators or regions.",
    ),
]
_Float8 = Annotated[
    bool,
    typer.Option(
        "--fp8", help="Multiply float8 (E4M3), on GPUs from sm_89; CPUs round to it, for accuracy alone. Needs --calib."
    ),
]
_Best = Annotated[
    bool,
    typer.Option(
        "--best",
        help="Every narrow precision that is safe: --fp16, and with --calib --int8, or --fp8 where that is better.",
    ),
]
_Output = Annotated[Path | None, typer.Option("--output", "-o", help="Plan file to write (default: MODEL.plan).")]
_Explain = Annotated[bool, typer.Option("--explain", help="Print the number of nodes before and after each pass.")]
_IndexChecks = Annotated[
    bool,
    typer.Option(
        "--index-checks/--no-index-checks",
        help="Refuse a run whose data holds an index out of range (E525), or take the nearest index instead.",
    ),
]
_Dump = Annotated[
    Path | None,
    typer.Option(
        "--dump",
        metavar="DIR",
        help="Write graphs after each pass, kernels' sources and assembly, and the plan's manifest into this folder.",
    ),
]
_Override = Annotated[
    Path | None,
    typer.Option(
        "--override",
        metavar="DIR",
        help="Compile the kernels' sources that were edited in this folder, which --dump has written.",
    ),
]
_OutputPrecision = Annotated[
    str | None,
    typer.Option("--output-precision", metavar="TYPE", help="Type of float32 outputs: fp32 (default), fp16 or bf16."),
]
_ExplainPrecision = Annotated[
    bool, typer.Option("--explain-precision", help="Print each node's precision and the reason.")
]
RANGE_OPTIONS = ("--min", "--opt", "--max")


def build(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The ONNX model.", show_default=False)],
    output: _Output = None,
    shapes: _Shapes = None,
    minimum: _Smallest = None,
    optimum: _Usual = None,
    maximum: _Largest = None,
    batch: _Batch = None,
    target: _Targets = None,
    workspace: _Workspace = None,
    max_memory: _MaxMemory = None,
    timing_cache: _CacheFile = None,
    locked: _Locked = False,
    opt_level: _Level = 0,
    tune_budget: _Budget = None,
    tuned_for: _TunedFor = "",
    allow_fallback: _AllowFallback = False,
    overridable: _Overridable = False,
    index_checks: _IndexChecks = True,
    explain: _Explain = False,
    dump: _Dump = None,
    override: _Override = None,
    sign: Annotated[Path | None, typer.Option("--sign", help="Sign the plan with this Ed25519 key (PEM).")] = None,
    fp16: Annotated[bool, typer.Option("--fp16", help="Use float16 wherever the result stays safe.")] = False,
    bf16: Annotated[bool, typer.Option("--bf16", help="Use bfloat16 wherever the result stays safe.")] = False,
    output_precision: _OutputPrecision = None,
    explain_precision: _ExplainPrecision = False,
    precision: _Precision = None,
    int8: Annotated[bool, typer.Option("--int8", help="Multiply codes of 8 bits; needs --calib.")] = False,
    calib: Calib = None,
    preprocess: CalibPreprocess = None,
    method: Method = None,
    save_quantised: SaveQuantised = None,
    max_error: MaxErrors = None,
    eval_data: EvalData = None,
    labels: Labels = None,
    decode: Decode = None,
    curve: Curve = None,
    fp8: _Float8 = False,
    best: _Best = False,
    config: _PrecisionConfig = None,
    as_json: AsJson = False,
) -> None:
    """Build a plan from an ONNX model."""
    start, path = time.perf_counter(), output or model.with_suffix(".plan")
    _check_places([path, *([timing_cache] if timing_cache and opt_level else [])], sign)
    given, decisions = (minimum or (), optimum or (), maximum or (), RANGE_OPTIONS), list[Any]()
    bounds, artefacts = _bounds(shapes, given, batch, workspace, max_memory), _artefacts(dump, override)
    flags: dict[str, Any] = {"allow_fallback": allow_fallback, "overridable": overridable, "index_checks": index_checks}
    flags |= {"target": target or None, "output_precision": output_precision}
    flags |= {"explain": note if explain else None, "explain_precision": decisions.append, "artefacts": artefacts}
    flags |= _tuning(timing_cache, locked, opt_level, tune_budget, tuned_for)
    wanted = Wanted(precision, config, fp16=fp16 or best, bf16=bf16, int8=int8, fp8=fp8, best=best and bool(calib))
    flags |= wanted.arguments(target)
    narrow = Narrowing(calib, preprocess, method, save_quantised, max_error, eval_data, labels, decode, curve)
    with progress() as advance:
        plan = build_narrow(model, narrow, bounds, flags, advance)
    _save(plan, path, sign, artefacts, is_tuned=bool(opt_level or timing_cache))
    _print(summary(plan, path, ends_alone(*given)), start, decisions if explain_precision else None, as_json)


def _artefacts(dump: Path | None, override: Path | None) -> Artefacts:
    from burnish.building.artefacts import Artefacts

    return Artefacts(dump, override)


def _save(plan: Plan, path: Path, sign: Path | None, artefacts: Artefacts, *, is_tuned: bool) -> None:
    plan.save(path, sign)
    _note_choices(plan, is_tuned=is_tuned)
    if artefacts.dump is not None:
        from burnish.cli.describe_plan import facts, launch_rows
        from burnish.plan import open_plan

        contents = open_plan(path)
        described = facts(contents) | {"launches": launch_rows(contents.manifest)}
        artefacts.write("plan.json", json.dumps(described, indent=2, default=str).encode())
        artefacts.write("graph.onnx", bytes(plan.blobs[plan.manifest.graph]))


def summary(plan: Plan, path: Path, notes: Sequence[str] = ()) -> dict[str, Any]:
    """A summary of a new plan for people. notes: notes about the command line, printed before the plan's own."""
    from burnish.cli.describe_plan import fallback_rows
    from burnish.plan.plan import shown

    manifest = plan.manifest
    return {
        "plan": str(path),
        "size_bytes": path.stat().st_size,
        "model": manifest.model_name,
        "inputs": [shown(manifest, t) for t in manifest.inputs],
        "outputs": [shown(manifest, t) for t in manifest.outputs],
        "targets": {
            v.target: {"launches": len(v.launches), "arena_bytes": v.arena_bytes, "code_bytes": _code_bytes(plan, v)}
            for v in manifest.variants
        },
        "fallbacks": fallback_rows(manifest),
        "notes": [*notes, *manifest.notes],
        **accuracy_facts(plan),
    }


def _code_bytes(plan: Plan, variant: Any) -> int:
    from burnish.plan.manifest import code_blobs

    return sum(len(plan.blobs[name]) for name in code_blobs(variant))


def _print(report: dict[str, Any], start: float, decisions: list[Decision] | None, as_json: bool) -> None:
    """start: of the build, on the clock; decisions: those about narrower precision, if the user asked for them"""
    report = report | {"build_s": round(time.perf_counter() - start, 3)}
    if as_json:
        report |= {"accuracy": report["accuracy"].as_dict} if "accuracy" in report else {}
        print_json(report | ({} if decisions is None else {"precision": list(map(asdict, decisions))}))
        return
    targets = (
        f"{name}: {t['launches']} launches, arena {format_bytes(t['arena_bytes'])}, "
        f"code {format_bytes(t['code_bytes'])}"
        for name, t in report["targets"].items()
    )
    facts = {
        "plan": f"{report['plan']}, {format_bytes(report['size_bytes'])}, built in {report['build_s']:.1f} s",
        "inputs": "\n".join(report["inputs"]),
        "outputs": "\n".join(report["outputs"]),
        "targets": "\n".join(targets),
    }
    if report["notes"]:
        facts["notes"] = "\n".join(report["notes"])
    print_facts(facts)
    if decisions is not None:
        columns = ("node", "operator", "was", "is", "why", *(["target"] if any(d.target for d in decisions) else []))
        print_table(columns, [astuple(d)[: len(columns)] for d in decisions])
    if "accuracy" in report:
        show_accuracy(report["accuracy"])


def _bounds(
    shapes: Texts, ranges: tuple[Any, ...], batch: str | None, workspace: str | None, max_memory: str | None
) -> dict[str, Any]:
    """The shapes and sizes given as texts, keyed by the parameter names of `burnish.build`."""
    return {
        "shapes": parse_shapes(shapes or ()) or None,
        "profile": parse_ranges(*ranges) or None,
        "batch": batch,
        "workspace": None if workspace is None else parse_size(workspace, "--workspace"),
        "max_memory": None if max_memory is None else parse_size(max_memory, "--max-memory"),
    }


def _note_choices(plan: Plan, *, is_tuned: bool) -> None:
    """Notes: tactics were not measured; --workspace no longer limits all temporaries, as it once did."""
    if not is_tuned:
        note("tactics by cost model; --opt-level 3 measures")
    limit, largest = plan.manifest.options["workspace"], max(v.arena_bytes for v in plan.manifest.variants)
    if limit is not None and "max_memory" not in plan.manifest.options and largest > limit:
        note(
            f"temporaries take {format_bytes(largest)}, more than --workspace: it bounds what one tactic may need for "
            "itself, as in TensorRT; --max-memory bounds all memory"
        )


def _check_places(paths: list[Path], key: Path | None) -> None:
    """Check before hours of work that the files can be written (E403) and that the key is valid (E414)."""
    from burnish.plan import check_place
    from burnish.plan.signature import sign_digest

    for path in paths:
        check_place(path)
    if key is not None:
        sign_digest(bytes(32), key)


def _tuning(cache: Path | None, locked: bool, level: int, budget: float | None, tuned_for: str) -> dict[str, Any]:
    """The tuning options of `burnish.build` by name. An option that would have no effect is refused (E622)."""
    without = "--locked" if locked else "--tuned-for" if tuned_for else ""
    if without and cache is None:
        raise _without_effect(without, "it says how to use a timing cache, and none is given", "--timing-cache FILE")
    if budget is not None and not level:
        raise _without_effect("--tune-budget", "at --opt-level 0 nothing is measured", "--opt-level 1 to 5")
    given = {"timing_cache": cache, "locked": locked, "opt_level": level}
    return {**given, "tune_budget": budget, "tuned_for": tuned_for, "note_tuning": note}


def _without_effect(flag: str, why: str, needed: str) -> UserError:
    return UserError("E622", f"{flag} has no effect here", why=why, hint=f"add {needed}, or leave {flag} out")
