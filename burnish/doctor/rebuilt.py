"""A plan's program, made once more from its model, and its code cut between the launches.

A plan holds machine code, not what its launches read and write. The same model, options and target give the same
program; that it is the plan's is checked launch by launch. A GPU's plan launches its kernels one by one already. On a
CPU one call runs many of them, so the same kernels are compiled again under their tactics, with a stop after each.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from burnish.building.analyze import Analysis, analyze
from burnish.calibration.verify_quantised import profile_of
from burnish.errors import UserError
from burnish.importers.load import load_model
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Program, Step, digest_of, each_launch
from burnish.lower.program import plan_memory
from burnish.ops.registry import is_defined
from burnish.plan.manifest import REFERENCE, Variant
from burnish.plan.plan import Plan
from burnish.precision.layers import rules_of
from burnish.precision.precision import Precision, parse_precision
from burnish.precision.range_text import RANGES, parse_ranges
from burnish.precision.ranges import Ranges
from burnish.requirement import Requirement
from burnish.target import parse_target
from burnish.targets import compiler_of

STOP = Requirement("a stop between two launches", "", 1, 1, "equal")  # holds always, and is no work of the target's


@dataclass(frozen=True, eq=False)
class Rebuilt:
    """The analysis that gave a variant of a plan, and a plan of that variant alone that stops after each launch."""

    analysis: Analysis
    plan: Plan
    variant: Variant


def rebuild(model: Any, plan: Plan, variant: Variant) -> Rebuilt:
    """Repeat the analysis of a plan's variant, and cut its code.

    raises: E757 if the plan was built from another model; E758 if this build does not give the plan's launches
    """
    own = load_model(model, is_defined)
    if own.sha256 != plan.manifest.model_sha256:
        raise _other_model(plan, own.name)
    abilities = compiler_of(parse_target(variant.target)).abilities
    found = analyze(model, abilities=abilities, **_arguments(plan))
    if [(x.name, x.nodes) for x in variant.launches if x.kernel != REFERENCE] != [
        (x.name, x.nodes) for x in each_launch(found.program.steps)
    ]:
        raise _other_build(variant)
    if variant.target.startswith("cuda"):
        whole = Plan(replace(plan.manifest, variants=(variant,)), plan.blobs)
        return Rebuilt(found, whole, variant)
    return Rebuilt(found, *_cut(found.program, plan, variant))


def build_arguments(plan: Plan) -> dict[str, Any]:
    """The arguments of `build` that gave a plan, but for the model, the target and its tactics."""
    options, ranges = plan.manifest.options, ranges_of(plan)
    asked, *layers = options.get("precision_layers") or [{"precision": options.get("precision", "fp32")}]
    return {
        "profile": profile_of(plan.manifest),
        "precision": asked["precision"],  # the first rule is that of the build; the option counts all rules'
        "output_precision": options.get("output_precision", "fp32"),
        "ranges": ranges,
        "precision_config": {"layers": layers} if layers else None,
        "workspace": options.get("workspace"),
        "max_memory": options.get("max_memory"),
        "overridable": options.get("overridable", False),
        "index_checks": options.get("index_checks", True),
    }


def ranges_of(plan: Plan) -> Ranges | None:
    """The ranges that a plan of codes was built with."""
    return parse_ranges(bytes(plan.blobs[RANGES])) if RANGES in plan.blobs else None


def precision_of(plan: Plan) -> Precision:
    """What a plan's build asked for."""
    options = plan.manifest.options
    rules = rules_of(options.get("precision_layers", ()))
    asked = rules[0].precision if rules else options.get("precision", "fp32")
    return parse_precision(asked, options.get("output_precision", "fp32"), ranges_of(plan), rules[1:])


def _arguments(plan: Plan) -> dict[str, Any]:
    own = build_arguments(plan)
    kept = {name: own[name] for name in ("profile", "overridable", "workspace", "index_checks")}
    return {**kept, "precision": precision_of(plan)}


def _cut(program: Program, plan: Plan, variant: Variant) -> tuple[Plan, Variant]:
    """The plan with a stop after each launch, under the variant's tactics."""
    tactics = {launch.task: launch.tactic for launch in variant.launches if launch.task}
    kernels = {digest_of(launch.kernel): launch.kernel for launch in each_launch(program.steps)}
    if unknown := tactics.keys() - kernels.keys():
        raise _other_build(variant, f"the plan has a kernel {min(unknown)} that the model gives no more")
    schedules = {kernels[task].key: Schedule.parse(tactic) for task, tactic in tactics.items()}
    steps: list[Step] = []
    for step in program.steps:
        steps += [step, STOP]
    compiler = compiler_of(parse_target(variant.target))
    cut, blobs = compiler.emit_program(replace(program, steps=tuple(steps)), plan_memory(program), schedules)
    if cut.launches != variant.launches:
        raise _other_build(variant)
    manifest = replace(plan.manifest, variants=(cut,))
    kept: Mapping[str, Any] = {name: blob for name, blob in plan.blobs.items() if name not in blobs}
    return Plan(manifest, {**kept, **blobs}), cut


def _other_model(plan: Plan, name: str) -> UserError:
    return UserError(
        "E757",
        f"the plan was not built from the model '{name}'",
        why=f"its model is '{plan.manifest.model_name}', of another content",
        hint="give the very model that the plan was built from; --reference names the f32 model that it came from",
    )


def _other_build(variant: Variant, why: str = "") -> UserError:
    return UserError(
        "E758",
        "this plan cannot be taken apart",
        where=f"its variant for {variant.target}",
        why=why or "this version of Burnish makes other launches of the model than those that the plan has",
        hint="build it again with this version, without --override, and diagnose the new plan",
    )
