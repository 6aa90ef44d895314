"""Time of each launch, by the device's own stopwatch, and of each reference step."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from burnish.devices import Stopwatch
from burnish.dims import evaluate, symbols
from burnish.plan.manifest import LaunchSpec, Variant

LEAST_SECONDS = 0.02  # of measuring, so that the clock's jitter (a few us) stays below 0.1 %


@dataclass(frozen=True, slots=True)
class LayerTime:
    """One launch or reference step: `ms` is the median over the runs; 0 for the side of an If that was not taken."""

    name: str
    kernel: str
    nodes: tuple[str, ...]
    tactic: str
    ms: float
    flops: int
    bytes: int


class Recorder:
    """Collects times while a context runs: the device times its launches, the wall clock times reference steps."""

    def __init__(self, launches: int, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch
        self._seconds = np.zeros(launches)
        self._references: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []

    def reference(self, launch: int, seconds: float) -> None:
        self._seconds[launch] += seconds

    def end_run(self) -> None:
        self._stopwatch.end_run()
        self._references.append(self._seconds)
        self._seconds = np.zeros_like(self._seconds)

    @property
    def runs(self) -> int:
        return len(self._references)

    def milliseconds(self) -> list[float]:
        """Median per launch, without the first run, which warms up."""
        each = self._stopwatch.milliseconds() + np.array(self._references) * 1e3
        return [float(x) for x in np.median(each[1:], axis=0)]


def measure_layers(
    run: Callable[[], object],
    recorder: Recorder,
    variant: Variant,
    iterations: int,
    values: Callable[[], Mapping[str, int]],
) -> list[LayerTime]:
    """Run until there are `iterations` runs and enough time has passed; the first run warms up and does not count."""
    run()
    end = time.perf_counter() + LEAST_SECONDS
    while recorder.runs <= iterations or time.perf_counter() < end:
        run()
    times = recorder.milliseconds()
    return [_layer(spec, ms, values()) for spec, ms in zip(variant.launches, times)]


def _layer(spec: LaunchSpec, ms: float, values: Mapping[str, int]) -> LayerTime:
    work = [evaluate(n, values) if symbols(n) <= values.keys() else 0 for n in (spec.flops, spec.bytes)]
    return LayerTime(spec.name, spec.kernel, spec.nodes, spec.tactic, ms, *work)
