"""Run an engine as trtexec does: warm up for a time, then measure for a minimum number of runs and a minimum time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Run:
    """One inference. Its times [ms] count from the start of the measurement."""

    start_ms: float
    end_ms: float

    @property
    def latency_ms(self) -> float:
        return self.end_ms - self.start_ms


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of latencies [ms]."""

    min: float
    max: float
    mean: float
    median: float
    percentiles: tuple[tuple[float, float], ...]


def statistics(times_ms: Sequence[float], percentiles: Sequence[float]) -> Statistics:
    """Percentiles as trtexec takes them: the largest time after the slowest (100 - p) % are removed."""
    t = sorted(times_ms)
    middle = len(t) // 2
    median = t[middle] if len(t) % 2 else (t[middle - 1] + t[middle]) / 2
    found = tuple((p, t[max(len(t) - 1 - int((1 - p / 100) * len(t)), 0)]) for p in percentiles)
    return Statistics(t[0], t[-1], sum(t) / len(t), median, found)


def repeat(
    call: Callable[[], object],
    *,
    iterations: int,
    duration_s: float,
    warm_up_ms: float,
    sleep_ms: float = 0.0,
    idle_ms: float = 0.0,
) -> tuple[list[Run], int]:
    """(measured runs, number of warm-up runs). duration_s = -1: until Ctrl-C, which then ends the measurement."""
    warm_ups = 0
    end = time.perf_counter() + warm_up_ms / 1e3
    while time.perf_counter() < end:
        call()
        warm_ups += 1
    runs: list[Run] = []
    origin = time.perf_counter()
    try:
        while len(runs) < iterations or duration_s < 0 or time.perf_counter() - origin < duration_s:
            if sleep_ms:
                time.sleep(sleep_ms / 1e3)
            start = time.perf_counter()
            call()
            runs.append(Run(1e3 * (start - origin), 1e3 * (time.perf_counter() - origin)))
            if idle_ms:
                time.sleep(idle_ms / 1e3)
    except KeyboardInterrupt:
        if duration_s >= 0 or not runs:
            raise
    return runs, warm_ups


def repeat_streams(calls: Sequence[Callable[[], object]], **options: float) -> tuple[list[Run], int]:
    """Run several streams at once, one thread each. Returns all runs, sorted by end time."""
    if len(calls) == 1:
        return repeat(calls[0], **options)  # type: ignore[arg-type]
    found: list[tuple[list[Run], int]] = []
    failed: list[BaseException] = []

    def work(call: Callable[[], object]) -> None:
        try:
            found.append(repeat(call, **options))  # type: ignore[arg-type]
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return sorted((r for runs, _ in found for r in runs), key=lambda r: r.end_ms), sum(n for _, n in found)
