"""Meet an error budget: measure the plan against f32, and raise the fewest, cheapest layers until it fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from burnish.building import build
from burnish.calibration.gate.budget import Budgets, parse_budgets
from burnish.calibration.gate.check_data import check_metrics, notes_of
from burnish.calibration.gate.choices import BOUNDS, Choices, Codes, Floats, Run, running
from burnish.calibration.gate.evaluation import Evaluation
from burnish.calibration.gate.metrics import Answers, noise_share
from burnish.calibration.gate.recheck import ranges_of
from burnish.calibration.gate.search import MOST, Error, search
from burnish.calibration.kept import Kept
from burnish.calibration.samples import is_batched, rows_of
from burnish.errors import UserError
from burnish.plan import Plan
from burnish.precision.accuracy import (
    ACCURACY,
    WIDE,
    Accuracy,
    CurvePoint,
    Judged,
    LayerAccuracy,
    accuracy_bytes,
)
from burnish.precision.precision_config import PrecisionConfig
from burnish.precision.range_text import RANGES, range_bytes
from burnish.precision.ranges import Ranges
from burnish.precision.words import INT8
from burnish.runtime import Engine

Array = np.ndarray[Any, Any]
Progress = Callable[[str, int, int], None]
EXTRA = 4  # layers that are raised beyond what the search found, if the finished plan misses the budget by a little
SHOWN = 5  # layers that an error names
assert 2 + MOST + 1 + EXTRA + 1 <= 60, "passes over the data, in all"


def meet_budget(
    model: Any,
    ranges: Ranges,
    data: Any,
    max_error: Any,
    *,
    labels: Any = None,
    decode: Any = None,
    preprocess: Any = None,
    shapes: Mapping[str, Any] | None = None,
    profile: Mapping[str, Any] | None = None,
    batch: Sequence[int] | str | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Ranges:
    """The ranges with `kept`, so that the plan meets the budget, and with `accuracy`, which says what was measured.

    data, labels, decode, preprocess: what to measure with (gate/evaluation.py); other samples than those that the
               ranges come from
    max_error: cos=1e-3, top1=0.5% .. or (function, limit), or several (gate/budget.py)
    raises:    E726 for a budget that says nothing, E727 for labels that do not fit, E728 if nothing meets it but all
               layers in f32; E763 to E767 for what it is measured with
    """
    plan = build_within(
        model,
        max_error,
        Evaluation(data, labels, preprocess, decode),
        precision=INT8,
        ranges=ranges,
        threads=threads,
        progress=progress,
        shapes=shapes,
        profile=profile,
        batch=batch,
    )
    return ranges_of(plan)


def build_within(
    source: Any,
    max_error: Any,
    evaluation: Evaluation,
    *,
    precision: str = INT8,
    ranges: Ranges | None = None,
    precision_config: PrecisionConfig = None,
    threads: int | None = None,
    progress: Progress | None = None,
    explain_precision: Callable[[Any], None] | None = None,
    **options: Any,
) -> Plan:
    """`build`, of which the plan meets a budget: layers are raised to f32 until it does. The plan keeps the measures.

    precision, ranges, precision_config, options: as for `build`; other arguments and errors as for `meet_budget`
    raises: E766 if nothing can lose accuracy (fp32), or this machine does not run the plan
    """
    budgets = parse_budgets(max_error)
    if ranges is None and precision in ("fp32", "f32"):
        why, hint = "it computes in f32, which is what accuracy is measured against", "--int8, --bf16 or --fp16"
        raise UserError("E766", "there is no accuracy to measure in this build", why=why, hint=hint)
    decisions = _Latest(explain_precision)

    def make(**own: Any) -> Plan:
        decisions.begin()
        return build(source, **{"explain_precision": decisions.rows.append, **options, **own})

    bounds = {name: options.get(name) for name in BOUNDS}
    choices: Choices
    if ranges is not None:
        choices = Codes(source, make, precision, ranges, precision_config, bounds, threads)
    else:
        choices = Floats(make, precision, precision_config, threads)
    gate = _Gate(budgets, evaluation, threads, progress or (lambda what, done, total: None))
    gate.take(make(precision="fp32"))
    plan = gate.decide(choices)
    decisions.tell()
    return plan


class _Latest:
    """The decisions of the latest build alone: trial builds explain nothing."""

    def __init__(self, explain: Callable[[Any], None] | None) -> None:
        self._explain, self.rows = explain, list[Any]()

    def begin(self) -> None:
        self.rows.clear()

    def tell(self) -> None:
        for row in self.rows if self._explain else ():
            self._explain(row)  # type: ignore[misc]


class _Gate:
    """The data, the answers in f32, and how to measure a choice of layers."""

    def __init__(self, budgets: Budgets, evaluation: Evaluation, threads: int | None, progress: Progress) -> None:
        self.budgets, self.evaluation, self.threads, self.progress = budgets, evaluation, threads, progress
        self.decode = evaluation.decoder()
        self.passes = 0

    def take(self, plan: Plan) -> None:
        """Read the samples, and run them in f32."""
        with running(plan, self.threads) as engine:
            self.samples = self.evaluation.samples(engine.manifest)
            self.rows = [rows_of(sample, is_batched(engine.manifest)) for sample in self.samples]
            self.labels = self.evaluation.read_labels([spec.name for spec in engine.manifest.inputs])
            self.exact = self._answers(engine)
            self.f32_ms = self._layer_times(engine)
        self.notes = notes_of(self.samples, self.exact)
        self.own = check_metrics(self.budgets, self.exact, self.labels, self.notes)

    def decide(self, choices: Choices) -> Plan:
        """The fastest plan that meets the budgets. E728 if there is none."""
        plan = choices.plan(())
        with running(plan, self.threads) as engine:
            whole, _ = self._measure(engine)
            narrow_ms = self._layer_times(engine)
        if self.budgets.is_met(whole):
            return self._with_accuracy(plan, self._judged(whole, whole))
        if not self.budgets.is_met(self.own):
            raise self._impossible(self.own, {}, {})
        seen: dict[frozenset[str], tuple[float, ...]] = {}
        with choices.open():
            layers = choices.layers
            saved = {name: self.f32_ms.get(name, 0.0) - narrow_ms.get(name, 0.0) for name in layers}

            def measure(chosen: frozenset[str]) -> Error:
                seen[chosen], noise = self._measure(choices.run(chosen))
                return Error(self.budgets.excess(seen[chosen]), noise)

            found = search(layers, saved, measure)
        every, total = frozenset(layers), sum(self.f32_ms.values())
        curve = {kept: total - sum(saved[name] for name in every - kept) for kept in found.curve}
        points = [CurvePoint(len(kept), ms, seen[every - kept]) for kept, ms in curve.items()]
        alone = {name: seen.get(frozenset([name])) for name in layers}
        if not found.is_met:
            tried = [whole, *(seen[every - kept] for kept in found.curve if len(kept) < len(layers))]
            raise self._impossible(min(tried, key=self.budgets.excess), found.costs, alone)
        rest = sorted(every - found.kept, key=lambda name: -found.costs.get(name, 0.0))
        for raised, is_last in _attempts(sorted(found.kept), rest, choices.has_step):
            plan = choices.plan(raised, is_last=is_last)
            with running(plan, self.threads) as engine:
                value, _ = self._measure(engine)
                ms = sum(self._layer_times(engine).values())
            if self.budgets.is_met(value):
                forms = {name: WIDE if name in raised else choices.form for name in layers}
                rows = tuple(LayerAccuracy(name, alone[name], saved[name], forms[name]) for name in layers)
                points.append(CurvePoint(len(raised), ms, value))
                points.sort(key=lambda point: (point.raised, point.ms))
                return self._with_accuracy(plan, self._judged(value, whole), rows, tuple(points))
        raise self._impossible(value, found.costs, alone)

    def _with_accuracy(
        self,
        plan: Plan,
        judged: tuple[Judged, ...],
        rows: tuple[LayerAccuracy, ...] = (),
        points: tuple[CurvePoint, ...] = (),
    ) -> Plan:
        return with_accuracy(plan, Accuracy(judged, sum(self.rows), rows, points, self.passes, self.notes))

    def _judged(self, value: Sequence[float], whole: Sequence[float]) -> tuple[Judged, ...]:
        rows = zip(self.budgets.each, value, whole, strict=True)
        return tuple(Judged(budget.word, found, unraised) for budget, found, unraised in rows)

    def _impossible(
        self, nearest: Sequence[float], costs: Mapping[str, float], alone: Mapping[str, tuple[float, ...] | None]
    ) -> UserError:
        dear = sorted(costs, key=lambda name: -costs[name])[:SHOWN]
        named = [f"{name} alone: {self.budgets.texts(values)}" for name in dear if (values := alone[name])]
        which = "the nearest was" if costs else "f32 beside itself is"
        after = f"on {sum(self.rows)} samples, after {self.passes} passes"
        lines = [f"{which} {self.budgets.texts(nearest)}, {after}", *named, *self.notes]
        return UserError(
            "E728",
            f"no choice of layers meets {', '.join(budget.word for budget in self.budgets.each)}",
            why="\n         ".join(lines),
            hint=(
                "allow more, give better samples to calibrate with, or build for fp16: one narrow layer is too much"
                if costs
                else "allow more, or look at the data and at the metric: f32 itself does not meet it"
            ),
        )

    def _measure(self, run: Run) -> tuple[tuple[float, ...], float]:
        answers = self._answers(run)
        return self.budgets.found(answers, self.exact, self.labels), noise_share(answers, self.exact)

    def _answers(self, run: Run) -> Answers:
        """One pass over the data."""
        self.passes += 1
        outputs = Kept()
        for number, sample in enumerate(self.samples):
            self.progress(f"accuracy, pass {self.passes}", number, len(self.samples))
            outputs.append({name: np.array(a) for name, a in run(sample).items()})
        return self.decode(outputs, self.rows)

    def _layer_times(self, engine: Engine) -> dict[str, float]:
        """Milliseconds of each node's launch, shared among the launch's nodes."""
        with engine.create_context() as context:
            found = dict[str, float]()
            for layer in context.profile(self.samples[0], iterations=3):
                for name in layer.nodes:
                    found[name] = found.get(name, 0.0) + layer.ms / len(layer.nodes)
        return found


def _attempts(kept: list[str], rest: list[str], has_step: bool) -> Iterator[tuple[list[str], bool]]:
    """What to raise, and whether to f32: the plan itself reads codes in sums, too, and may miss by a little."""
    if has_step:
        yield kept, False
    for extra in range(min(EXTRA, len(rest)) + 1):
        yield [*kept, *rest[:extra]], True


def with_accuracy(plan: Plan, accuracy: Accuracy) -> Plan:
    """The plan, which keeps what was measured: in its ranges, or beside them."""
    if RANGES in plan.blobs:
        ranges = replace(ranges_of(plan), accuracy=accuracy)
        return Plan(plan.manifest, {**plan.blobs, RANGES: range_bytes(ranges)})
    return Plan(plan.manifest, {**plan.blobs, ACCURACY: accuracy_bytes(accuracy)})
