"""Time of each launch: the native code stamps the cycle counter after every launch; the wall clock gives the scale."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from burnish.dims import evaluate, symbols
from burnish.plan.manifest import LaunchSpec, NativeStep, Variant

Ticks = np.ndarray[tuple[int], np.dtype[np.float64]]
LEAST_SECONDS = 0.02  # of measuring, so that the clock's own jitter (a few us) stays below 0.1 %


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
    """Collects stamps while a context runs."""

    def __init__(self, launches: int) -> None:
        self._stamps = np.zeros(1 + launches, np.int64)
        self.address = self._stamps.ctypes.data
        self._ticks, self._seconds = np.zeros(launches), np.zeros(launches)
        self.runs: list[tuple[Ticks, Ticks]] = []
        self.clock: list[tuple[int, int]] = []  # (ticks, ns) at the start of each native step
        self._start_ns = 0

    def before(self, step: NativeStep) -> None:
        self._stamps[1 + step.first : 1 + step.first + step.count] = 0
        self._start_ns = time.perf_counter_ns()

    def after(self, step: NativeStep) -> None:
        """A launch took the time since the latest stamp before its own; one that was not run has none, and took 0."""
        self.clock.append((int(self._stamps[0]), self._start_ns))
        stamps = self._stamps[step.first : step.first + step.count + 1].copy()
        stamps[0] = self._stamps[0]
        self._ticks[step.first : step.first + step.count] += np.diff(np.maximum.accumulate(stamps))

    def reference(self, launch: int, seconds: float) -> None:
        self._seconds[launch] += seconds

    def end_run(self) -> None:
        self.runs.append((self._ticks, self._seconds))
        self._ticks, self._seconds = np.zeros_like(self._ticks), np.zeros_like(self._seconds)

    def milliseconds(self) -> list[float]:
        """Median per launch."""
        scale = self._milliseconds_per_tick()
        return [float(x) for x in np.median([ticks * scale + seconds * 1e3 for ticks, seconds in self.runs], axis=0)]

    def _milliseconds_per_tick(self) -> float:
        if len(self.clock) < 2:
            return 0.0
        (first_ticks, first_ns), (last_ticks, last_ns) = self.clock[0], self.clock[-1]
        return (last_ns - first_ns) / 1e6 / max(last_ticks - first_ticks, 1)


def measure_layers(
    run: Callable[[], object],
    recorder: Recorder,
    variant: Variant,
    iterations: int,
    values: Callable[[], Mapping[str, int]],
) -> list[LayerTime]:
    """Run until there are `iterations` runs and enough time has passed; the first run warms up and does not count."""
    run()
    recorder.runs.clear()
    end = time.perf_counter() + LEAST_SECONDS
    while len(recorder.runs) < iterations or time.perf_counter() < end:
        run()
    times = recorder.milliseconds()
    return [_layer(spec, ms, values()) for spec, ms in zip(variant.launches, times)]


def _layer(spec: LaunchSpec, ms: float, values: Mapping[str, int]) -> LayerTime:
    work = [evaluate(n, values) if symbols(n) <= values.keys() else 0 for n in (spec.flops, spec.bytes)]
    return LayerTime(spec.name, spec.kernel, spec.nodes, spec.tactic, ms, *work)
