"""Process a model until machine code: import, profile, passes, inference, and lowering for a target's abilities.

`build` compiles the result; `inspect` shows it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import onnx_ir as ir

from burnish.building.artefacts import Artefacts
from burnish.building.try_fallbacks import try_fallbacks
from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.importers import load_model
from burnish.importers.load import Imported
from burnish.importers.profile import Profile, Range, Shape, resolve_profile, symbol_ranges
from burnish.kernels.abilities import Abilities
from burnish.kernels.task import Program, ReferenceStep, Step, digest_of, each_launch, each_step
from burnish.lower.program import lower
from burnish.ops.inference.infer import Inferred, infer
from burnish.ops.registry import is_defined
from burnish.passes.flatten_outputs import flatten_outputs
from burnish.passes.pipeline import FOR_TARGET, FUSE_ATTENTION, PORTABLE, SPELLED_OUT, Passes, optimize
from burnish.passes.rewrite.constants import Array
from burnish.passes.rewrite.context import PassContext, PassReport
from burnish.passes.rewrite.graph_text import graph_text
from burnish.plan.manifest import Presentation, Variant
from burnish.precision.apply_precision import apply_precision, precision_notes
from burnish.precision.layers import unmatched_notes
from burnish.precision.precision import UNCHANGED, Decision, Precision
from burnish.precision.quantise.known import stray_notes
from burnish.precision.quantise.quantise import range_notes
from burnish.precision.quantise.write_codes import write_codes
from burnish.precision.quantised_products import as_one, product_notes, quantised_products
from burnish.precision.rounding import release_casts
from burnish.precision.widen_half import widen_half
from burnish.settings import settings
from burnish.targets import Compiler

Explain = Callable[[str], None]
Progress = Callable[[str, int, int], None]
STAGES = 6  # of a whole build
RUNNERS_UP = 2  # tactics that were not chosen, of each launch


class Stages:
    """Times each stage, and calls the caller's `explain` (a line at a time) and `progress` (what, done, total)."""

    def __init__(
        self, explain: Explain | None = None, progress: Progress | None = None, artefacts: Artefacts | None = None
    ) -> None:
        self.explain = explain or (_to_stderr if settings().debug else _to_nobody)
        self._progress = progress
        self.times_ms: dict[str, float] = {}
        self.artefacts = artefacts or Artefacts()
        self.artefacts.show = self.explain

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage. Stages of the same name, before and after quantisation or for several targets, count as one."""
        if self._progress is not None and name not in self.times_ms:
            self._progress(name, len(self.times_ms), STAGES)
        start = time.perf_counter()
        yield
        self.times_ms[name] = self.times_ms.get(name, 0.0) + (time.perf_counter() - start) * 1e3

    def explain_passes(self, report: PassReport) -> None:
        for row in report.rows:
            if row.changes:
                self.explain(f"{row.name:24} {row.nodes_before:5} -> {row.nodes_after:5} nodes  {row.reason}")

    def keep_graph(self, after: str, model: ir.Model) -> None:
        self.artefacts.keep("graph", f"{after}.txt", lambda: graph_text(model))

    def explain_tactics(self, variant: Variant, program: Program, compiler: Compiler) -> None:
        """Explain every launch: its tactic, and the cost model's best alternatives.

        Always tell the size of the arena.
        """
        self.explain(f"{variant.target}  {len(variant.launches)} launches, arena {variant.arena_bytes:,} bytes")
        if settings().debug < 3:
            return
        kernels = {digest_of(launch.kernel): launch.kernel for launch in each_launch(program.steps)}
        sizes = program.sizes
        for x in variant.launches:
            self.explain(f"{variant.target}  {x.kernel:12} {x.name}  [{x.tactic}]")
            if x.task in kernels:
                others = [str(s) for s in compiler.schedules(kernels[x.task], sizes) if str(s) != x.tactic]
                for tactic in others[:RUNNERS_UP]:
                    self.explain(f"{'':{len(variant.target)}}  {'':12}   not [{tactic}]")

    def explain_times(self) -> None:
        self.explain("  ".join(f"{name} {ms:.0f} ms" for name, ms in self.times_ms.items()))


@dataclass(eq=False)
class Analysis:
    """The optimised model, the inferred facts about it, and its program of kernel tasks."""

    model: ir.Model
    name: str
    sha256: str
    profile: Profile
    passes: PassReport
    inferred: Inferred
    program: Program
    notes: tuple[str, ...] = field(default_factory=tuple)
    decisions: tuple[Decision, ...] = field(default_factory=tuple)  # the effect of a narrower precision on each node
    fallbacks: tuple[tuple[str, str], ...] = field(default_factory=tuple)  # nodes on the reference kernel, and why
    presentations: tuple[Presentation, ...] = ()  # how outputs are shown that are no numeric tensors
    defaults: Mapping[str, Array] = field(default_factory=dict)  # of inputs that a caller may leave out

    def all_notes(self, costs: Sequence[str] = ()) -> tuple[str, ...]:
        """All notes, as a plan stores them. costs: the cost of each of `fallbacks`, if a target knows it."""
        found = zip(self.fallbacks, costs or [""] * len(self.fallbacks), strict=True)
        lines = (f"{node} runs on the reference kernel: {why}{f'; {c}' if c else ''}" for (node, why), c in found)
        return (*self.notes, *lines)


def analyze(
    source: Any,
    *,
    shapes: Mapping[str, Shape | str] | None = None,
    profile: Mapping[str, Range] | None = None,
    batch: Sequence[int] | str | None = None,
    stages: Stages | None = None,
    abilities: Abilities | None = None,
    precision: Precision = UNCHANGED,
    overridable: bool = False,
    workspace: int | None = None,
    index_checks: bool = True,
) -> Analysis:
    """Import, optimise, narrow, infer and lower; `source`, `shapes`, `profile` and `batch` as in `build`.

    abilities: those of the target; a CPU's if left out
    precision: what f32 values may become; overridable: initializers that are also inputs stay inputs, with defaults
    workspace: bytes that one tactic may need for itself; index_checks: as in `lower`
    """
    abilities, stages = abilities or Abilities(), stages or Stages()
    found = prepare(
        source,
        shapes=shapes,
        profile=profile,
        batch=batch,
        stages=stages,
        abilities=abilities,
        overridable=overridable,
        passes=passes_for(precision),
    )
    imported, resolved, report, graph = found.imported, found.profile, found.report, found.imported.model.graph
    with stages.stage("passes"), _doubting(resolved.notes):
        strays = () if precision.ranges is None else stray_notes(graph, precision.ranges)
        unmatched = (*unmatched_notes(graph, precision.layers), *strays)
        quantised = write_codes(graph, precision)
        optimize(imported.model, found.context, passes_after(precision))
        shape_outputs = flatten_outputs(imported.model, found.context)
        stages.explain_passes(report)
        decisions, told = _decide(imported.model, report, found.sizes, abilities, precision, quantised)
    with stages.stage("infer"), _doubting(resolved.notes):
        inferred = infer(graph, sizes=found.sizes)
    with stages.stage("lower"):
        program = lower(graph, inferred, found.symbols, abilities, workspace, index_checks, shape_outputs)
        try_fallbacks(program)
        for node, reason in program.declined.items():
            report.decline("fuse", node, reason)
    return Analysis(
        imported.model,
        imported.name,
        imported.sha256,
        resolved,
        report,
        inferred,
        program,
        (*imported.notes, *resolved.notes, *unmatched, *told, *program.notes),
        decisions,
        tuple(_fallbacks(program.steps, inferred)),
        imported.presentations,
        imported.defaults,
    )


def passes_for(precision: Precision) -> Passes:
    """The passes before quantisation: float8 is written into attention, too, which must be spelled out for that."""
    return SPELLED_OUT if precision.multiplies_float8 else PORTABLE


def passes_after(precision: Precision) -> Passes:
    """Those after it: what is not float8 of attention becomes one operator again."""
    return (*FUSE_ATTENTION, *FOR_TARGET) if precision.multiplies_float8 else FOR_TARGET


@dataclass(eq=False)
class Prepared:
    """A model after the passes that are the same for every target.

    symbols: (min, opt, max) of each
    """

    imported: Imported
    profile: Profile
    symbols: Mapping[str, tuple[int, int, int]]
    context: PassContext
    report: PassReport

    @property
    def sizes(self) -> dict[str, tuple[int, int]]:
        """(min, max) of each symbol."""
        return {name: (low, high) for name, (low, _, high) in self.symbols.items()}


def prepare(
    source: Any,
    *,
    shapes: Mapping[str, Shape | str] | None = None,
    profile: Mapping[str, Range] | None = None,
    batch: Sequence[int] | str | None = None,
    stages: Stages | None = None,
    abilities: Abilities | None = None,
    overridable: bool = False,
    passes: Passes = PORTABLE,
) -> Prepared:
    """Import a model and run the passes that are the same for every target; arguments as for `analyze`."""
    abilities, stages = abilities or Abilities(), stages or Stages()
    with stages.stage("import"):
        imported = load_model(source, is_defined, overridable)
        own = {name: array.shape for name, array in imported.defaults.items()}
        resolved = resolve_profile(imported.model, shapes, profile, own, batch)
        symbols = symbol_ranges(resolved, imported.model.graph)
    with stages.stage("passes"), _doubting(resolved.notes):
        if not abilities.computes_half and (widened := widen_half(imported.model)):
            stages.explain(f"widen_half: {widened} values of 16 bits are computed in f32")
        else:
            release_casts(imported.model)
        stages.keep_graph("imported", imported.model)
        sizes = {name: (low, high) for name, (low, _, high) in symbols.items()}
        context = _pass_context(resolved, sizes, abilities, stages)
        report = optimize(imported.model, context, passes)
    return Prepared(imported, resolved, symbols, context, report)


def _pass_context(
    profile: Profile, sizes: Mapping[str, tuple[int, int]], abilities: Abilities, stages: Stages
) -> PassContext:
    wanted = (abilities.deep_images, abilities.integer_products, abilities.blocked_weights, abilities.float8)
    return PassContext(profile.fixed, sizes, *wanted, after_pass=stages.keep_graph)


def _decide(
    model: ir.Model,
    report: PassReport,
    sizes: Mapping[str, tuple[int, int]],
    abilities: Abilities,
    precision: Precision,
    quantised: tuple[Decision, ...],
) -> tuple[tuple[Decision, ...], tuple[str, ...]]:
    """Narrow the model. Returns what became of each node, quantised products first, and the notes about it.

    quantised: what the ranges have made of each product
    """
    products = quantised_products(model, report)
    has_half = abilities.computes_half or (abilities.bf16_products and precision.values is DType.BF16)
    decisions = apply_precision(model, sizes, precision, has_half, abilities.bf16_codes)
    known = () if precision.ranges is None else range_notes(quantised, precision.ranges)
    notes = (*known, *product_notes(products), *precision_notes(decisions, precision))
    return (*as_one(quantised, products), *decisions), notes


def graph_bytes(model: ir.Model) -> bytes:
    """The optimised graph as ONNX without its weights, in canonical bytes."""
    proto = ir.to_proto(model)
    for tensor in proto.graph.initializer:
        if len(tensor.raw_data) > 1024:
            tensor.ClearField("raw_data")
    return bytes(proto.SerializeToString(deterministic=True))


def _fallbacks(steps: Sequence[Step], inferred: Inferred) -> Iterator[tuple[str, str]]:
    """Every node on the reference kernel, and the reason."""
    for step in each_step(steps):
        if isinstance(step, ReferenceStep):
            reason = next((r for n, r in inferred.undefined.items() if n.name == step.name), "")
            own = "its sides differ in shape" if step.op_type == "If" else "the target has no kernel for it yet"
            yield f"{step.op_type} '{step.name}'", reason or own


@contextmanager
def _doubting(guesses: Sequence[str]) -> Iterator[None]:
    """If a node does not accept shapes that nobody gave, blame those shapes before the model (E203)."""
    try:
        yield
    except UserError as e:
        if e.code != "E203" or not guesses:
            raise
        what = e.what if len(e.what) <= 200 else f"{e.what[:200]} ..."
        hint = "give the shapes the model is for: --shapes NAME:1x3x224x224, or --min, --opt and --max"
        raise UserError("E203", what, where=e.where, why="\n         ".join(guesses), hint=hint) from e


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr)


def _to_nobody(line: str) -> None:
    del line
