"""Time of each kernel: a graph with an event after every launch.

Every kernel is measured in its place in the run, with the caches in their real state and no host work in between.
Events keep kernels from overlapping, so the sum is above the time of a call. The cost of an event itself is measured in
the same graph, between events without a launch, and subtracted. No kernel is repeated, because it might work in place.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np

from burnish.devices import Launches
from burnish.devices.cuda.driver import Driver
from burnish.devices.cuda.event import Event
from burnish.devices.cuda.launcher import Launcher, Prepared
from burnish.plan.manifest import KernelStep

IDLE_SPANS = 4
WARM_UP = 3  # runs of a new graph


class EventClock:
    """A stopwatch (devices.Stopwatch)."""

    def __init__(self, driver: Driver, stream: int, launches: int) -> None:
        self._driver, self._stream, self._count = driver, stream, launches
        self._graphs: dict[tuple[Any, ...], tuple[Any, Prepared, list[Event]]] = {}
        self._used: list[tuple[Launches, list[Event]]] = []
        self._runs: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []

    def run(
        self,
        key: tuple[Any, ...] | None,
        steps: Launches,
        launcher: Launcher,
        addresses: Sequence[int],
        values: Mapping[str, int],
    ) -> None:
        """Run the steps and time them. key None: each run differs, so a graph is not worth it."""
        if key is None:
            events = self._timed(launcher.prepare(steps, addresses, values))
        else:
            if key not in self._graphs:
                self._graphs[key] = self._capture(launcher.prepare(steps, addresses, values))
            graph, _, events = self._graphs[key]
            self._driver.launch_graph(graph, self._stream)
        self._used.append((steps, events))

    def end_run(self) -> None:
        times = np.zeros(self._count)
        for steps, events in self._used:
            marks = [event.milliseconds_since(events[0]) for event in events]
            spans = [end - start for start, end in itertools.pairwise(marks)]
            idle = min(spans[len(steps) :])
            for step, span in zip(cast("tuple[KernelStep, ...]", steps), spans):
                times[step.launch] += max(span - idle, 0.0)
        self._used = []
        self._runs.append(times)

    def milliseconds(self) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
        return np.array(self._runs).reshape(len(self._runs), self._count)

    def close(self) -> None:
        for graph, _, _ in self._graphs.values():
            self._driver.destroy_graph(graph)
        self._graphs.clear()

    def _capture(self, prepared: Prepared) -> tuple[Any, Prepared, list[Event]]:
        self._driver.begin_capture(self._stream)
        try:
            events = self._timed(prepared)
        except BaseException:
            self._driver.abandon_capture(self._stream)
            raise
        return self._driver.end_capture(self._stream), prepared, events

    def _timed(self, prepared: Prepared) -> list[Event]:
        """The launches with an event before, between and after them, and some extra events without a launch."""
        launches = (*prepared.launches, *[None] * IDLE_SPANS)
        events = [Event(self._driver, is_timed=True) for _ in range(len(launches) + 1)]
        events[0].record(self._stream)
        for launch, event in zip(launches, events[1:]):
            if launch is not None:
                self._driver.launch(launch)
            event.record(self._stream)
        return events


class RunClock:
    """Times replays of one graph of launches, back to back, between events. The graph is kept for the next time."""

    def __init__(self, driver: Driver, stream: int, launcher: Launcher) -> None:
        self._driver, self._stream, self._launcher = driver, stream, launcher
        self._key: tuple[Any, ...] | None = None
        self._graph: Any = None
        self._prepared: Prepared | None = None

    def run(
        self,
        key: tuple[Any, ...] | None,
        steps: Launches,
        addresses: Sequence[int],
        values: Mapping[str, int],
        repeats: int,
    ) -> list[float]:
        """Milliseconds of each of `repeats` runs. `key`: everything that the launches depend on; None: unknown."""
        if self._graph is None or key is None or key != self._key:
            if key is None:
                self._capture(key, self._launcher.prepare(steps, addresses, values))
            else:
                self._capture(key, self._launcher.prepared(key, steps, addresses, values))
        events = [Event(self._driver, is_timed=True) for _ in range(repeats + 1)]
        events[0].record(self._stream)
        for event in events[1:]:
            self._driver.launch_graph(self._graph, self._stream)
            event.record(self._stream)
        self._driver.synchronize(self._stream)
        return [end.milliseconds_since(start) for start, end in itertools.pairwise(events)]

    def close(self) -> None:
        graph, self._graph = self._graph, None
        if graph is not None:
            self._driver.destroy_graph(graph)

    def _capture(self, key: tuple[Any, ...] | None, prepared: Prepared) -> None:
        self.close()
        self._launcher.launch(prepared)  # code is loaded before the capture
        self._graph, self._key, self._prepared = self._launcher.capture([prepared]), key, prepared
        for _ in range(WARM_UP):
            self._driver.launch_graph(self._graph, self._stream)
