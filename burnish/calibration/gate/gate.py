"""Meet an error budget: measure the plan in int8 against f32, and raise the fewest, cheapest layers until it fits."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from burnish.building import build
from burnish.building.analyze import prepare
from burnish.calibration.gate.metrics import Budget, parse_budget
from burnish.calibration.gate.search import search
from burnish.calibration.preprocess import Preprocess, load_preprocess
from burnish.calibration.samples import open_samples
from burnish.errors import UserError
from burnish.precision.quantise.switch import SWITCHES, add_switches
from burnish.precision.ranges import Accuracy, LayerAccuracy, Ranges
from burnish.runtime import Engine, load

Array = np.ndarray[Any, Any]
Progress = Callable[[str, int, int], None]
Answers = list[dict[str, Array]]
EXTRA = 4  # layers that are raised beyond what the search found, if the finished plan misses the budget by a little


def meet_budget(
    model: Any,
    ranges: Ranges,
    data: Any,
    max_error: Any,
    *,
    labels: Any = None,
    shapes: Mapping[str, Any] | None = None,
    profile: Mapping[str, Any] | None = None,
    batch: Sequence[int] | str | None = None,
    threads: int | None = None,
    preprocess: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> Ranges:
    """The ranges with `kept`, so that the plan meets the budget, and with `accuracy`, which says what was measured.

    data:      samples to measure with, as for `calibrate`; other ones than those that the ranges come from
    preprocess: as for `calibrate`: how images and audio become inputs
    max_error: cos=1e-3, sqnr=30dB, psnr=40dB, top1=0.5%, or (function, limit) (calibration/gate/metrics.py)
    labels:    one for each sample, for top1 and for a function
    raises:    E726 for a budget that says nothing, E727 for labels that do not fit, E728 if nothing meets it but all
               layers in f32
    """
    budget, stated = parse_budget(max_error), None if preprocess is None else load_preprocess(preprocess)
    bounds: dict[str, Any] = {"shapes": shapes, "profile": profile, "batch": batch}
    gate = _Gate(model, ranges, budget, bounds, threads, progress or (lambda what, done, total: None))
    gate.take(data, stated, None if labels is None else np.asarray(labels).reshape(-1))
    return gate.decide()


class _Gate:
    """The data, the answers in f32, and how to measure a choice of layers."""

    def __init__(
        self,
        model: Any,
        ranges: Ranges,
        budget: Budget,
        bounds: dict[str, Any],
        threads: int | None,
        progress: Progress,
    ) -> None:
        self.model, self.ranges, self.budget = model, ranges, budget
        self.bounds, self.threads, self.progress = bounds, threads, progress
        self.samples: list[Mapping[str, Array]] = []
        self.exact: Answers = []
        self.labels: Array | None = None
        self.passes = 0

    def take(self, data: Any, stated: Preprocess | None, labels: Array | None) -> None:
        """Read the samples, and run them in f32."""
        with load(build(self.model, **self.bounds), threads=self.threads) as engine:
            self.samples = list(open_samples(data, engine.manifest.inputs, stated, engine.manifest.symbols))
            if not self.samples:
                hint = "give samples that the ranges do not come from"
                raise UserError("E721", "there is nothing to measure with", why="the data holds no sample", hint=hint)
            self.exact = self._answers(engine)
            self.f32_ms = self._layer_times(engine)
        self.labels = labels
        self.budget.measure(self.exact, self.exact, labels)  # E727 before the long work

    def decide(self) -> Ranges:
        """The cheapest ranges that meet the budget."""
        with load(self._build(self.ranges), threads=self.threads) as engine:
            whole = self._measure(engine)
            int8_ms = self._layer_times(engine)
        if self.budget.is_met(whole):
            return replace(self.ranges, accuracy=self._table(whole, whole, {}, {}))
        prepared = prepare(self.model, **self.bounds)
        layers = add_switches(prepared.imported.model.graph, self.ranges)
        saved = {name: self.f32_ms.get(name, 0.0) - int8_ms.get(name, 0.0) for name in layers}
        limits = {**prepared.profile.ranges, SWITCHES: ((len(layers),),) * 3}
        with load(build(prepared.imported.model, profile=limits), threads=self.threads) as engine:
            numbers = {name: i for i, name in enumerate(layers)}

            def error(chosen: frozenset[str]) -> float:
                switches = np.zeros(len(layers), bool)
                switches[[numbers[name] for name in chosen]] = True
                return self.budget.excess(self._measure(engine, {SWITCHES: switches}))

            found = search(layers, saved, error)
        if not found.is_met:
            tried = (excess for kept, excess in found.curve if len(kept) < len(layers))
            nearest = min(
                tried, default=self.budget.excess(whole)
            )  # no layer could be tried in a model without products
            raise self._impossible(self.budget.measured(nearest))
        rest = sorted(set(layers) - found.kept, key=lambda name: -found.alone.get(name, 0.0))
        return self._finished(found.kept, rest, whole, found.alone, saved)

    def _finished(
        self,
        kept: frozenset[str],
        rest: list[str],
        whole: float,
        alone: Mapping[str, float],
        saved: Mapping[str, float],
    ) -> Ranges:
        """Measure the plan itself, in which sums read codes too; raise a few layers more if that is too much."""
        for extra in range(min(EXTRA, len(rest)) + 1):
            ranges = self.ranges.keep(*kept, *rest[:extra])
            with load(self._build(ranges), threads=self.threads) as engine:
                value = self._measure(engine)
            if self.budget.is_met(value):
                return replace(ranges, accuracy=self._table(value, whole, alone, saved, ranges.kept))
        raise self._impossible(value)

    def _table(
        self,
        value: float,
        whole: float,
        alone: Mapping[str, float],
        saved: Mapping[str, float],
        kept: frozenset[str] = frozenset(),
    ) -> Accuracy:
        rows = [
            LayerAccuracy(name, alone.get(name), ms, "f32" if name in kept else "int8") for name, ms in saved.items()
        ]
        return Accuracy(self.budget.name, self.budget.limit, value, whole, len(self.samples), tuple(rows))

    def _impossible(self, nearest: float) -> UserError:
        return UserError(
            "E728",
            f"no choice of layers meets {self.budget.name} {self.budget.text(self.budget.limit)}",
            why=f"the nearest was {self.budget.text(nearest)}, on {len(self.samples)} samples",
            hint="allow more, give better samples to calibrate with, or build for fp16: one layer in int8 is too much",
        )

    def _build(self, ranges: Ranges) -> Any:
        return build(self.model, precision="int8", ranges=ranges, **self.bounds)

    def _measure(self, engine: Engine, more: Mapping[str, Array] | None = None) -> float:
        return self.budget.measure(self._answers(engine, more), self.exact, self.labels)

    def _answers(self, engine: Engine, more: Mapping[str, Array] | None = None) -> Answers:
        """One pass over the data."""
        self.passes += 1
        answers = []
        for number, sample in enumerate(self.samples):
            self.progress(f"accuracy, pass {self.passes}", number, len(self.samples))
            answers.append({name: np.array(a) for name, a in engine({**sample, **(more or {})}).items()})
        return answers

    def _layer_times(self, engine: Engine) -> dict[str, float]:
        """Milliseconds of each node's launch, shared among the launch's nodes."""
        with engine.create_context() as context:
            found = dict[str, float]()
            for layer in context.profile(self.samples[0], iterations=3):
                for name in layer.nodes:
                    found[name] = found.get(name, 0.0) + layer.ms / len(layer.nodes)
        return found
