"""Time of each launch. Native code stamps the cycle counter after each launch; the wall clock gives the scale."""

from __future__ import annotations

import time

import numpy as np

from burnish.plan.manifest import NativeStep


class Stamps:
    """A stopwatch (devices.Stopwatch) for segments of native code."""

    def __init__(self, launches: int) -> None:
        self._stamps = np.zeros(1 + launches, np.int64)
        self.address = self._stamps.ctypes.data
        self._ticks = np.zeros(launches)
        self._runs: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
        self._clock: list[tuple[int, int]] = []  # (ticks, ns) at the start of each native step
        self._start_ns = 0

    def before(self, step: NativeStep) -> None:
        self._stamps[1 + step.first : 1 + step.first + step.count] = 0
        self._start_ns = time.perf_counter_ns()

    def after(self, step: NativeStep) -> None:
        """A launch's time is the time since the latest stamp before its own. A launch that did not run took 0."""
        self._clock.append((int(self._stamps[0]), self._start_ns))
        stamps = self._stamps[step.first : step.first + step.count + 1].copy()
        stamps[0] = self._stamps[0]
        self._ticks[step.first : step.first + step.count] += np.diff(np.maximum.accumulate(stamps))

    def end_run(self) -> None:
        self._runs.append(self._ticks)
        self._ticks = np.zeros_like(self._ticks)

    def milliseconds(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        found = np.array(self._runs).reshape(len(self._runs), len(self._ticks))
        return found * self._milliseconds_per_tick()

    def _milliseconds_per_tick(self) -> float:
        if len(self._clock) < 2:
            return 0.0
        (first_ticks, first_ns), (last_ticks, last_ns) = self._clock[0], self._clock[-1]
        return (last_ns - first_ns) / 1e6 / max(last_ticks - first_ticks, 1)
