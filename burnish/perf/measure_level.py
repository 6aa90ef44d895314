"""Measure one level: warm up, then windows until three in a row agree."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from burnish.perf.load.schedule import Share
from burnish.perf.load.workers import Workers
from burnish.perf.options import Options
from burnish.perf.report import Level, Result
from burnish.perf.samples import Distribution, Samples, corrected, measured
from burnish.perf.server_times import Rows, difference
from burnish.perf.windows import AGREEING, Window, agree

LONGEST = 10  # a window with too few requests goes on for so many times its length
POLL_S = 0.05
LEAD_NS = 20_000_000  # between the command to start and the first request: the processes start together

Told = Callable[[Level, int, Window | None], None]


class HasStatistics(Protocol):
    def statistics(self) -> Rows | None: ...


@dataclass(frozen=True, slots=True)
class _Mark:
    """A boundary of windows: the server's counters, and each sending process' time on a processor [ns]."""

    time_ns: int
    statistics: Rows | None
    processor_ns: tuple[int, ...]


class _Log:
    """All that the processes reported of this level."""

    def __init__(self, workers: Workers, server: HasStatistics) -> None:
        self._workers, self._server = workers, server
        self.parts: list[Samples] = []
        self.gaps: list[bytes] = []
        self.errors: Counter[str] = Counter()
        self.marks: list[_Mark] = []
        self.waiting = 0

    def collect(self) -> None:
        batch = self._workers.collect()
        self.parts.append(batch.samples)
        self.gaps.append(batch.gaps)
        self.errors.update(batch.errors)
        self.waiting = batch.waiting
        self._processor_ns = batch.processor_ns

    def mark(self) -> None:
        """After a collect: here a window ends or begins."""
        self.marks.append(_Mark(time.monotonic_ns(), self._server.statistics(), self._processor_ns))

    def forget_warm_up(self) -> None:
        self.errors.clear()
        self.gaps.clear()


def measure_level(
    workers: Workers, level: Level, options: Options, models: tuple[str, ...], server: HasStatistics, told: Told
) -> Result:
    """models: the one that is measured and those it is composed of. told: hears of each window."""
    log = _Log(workers, server)
    workers.start(_share(level, options, time.monotonic_ns() + LEAD_NS))
    try:
        windows = _count_requests(log, options, level) if options.requests else _time_windows(log, options, level, told)
    finally:
        workers.stop()
    return _result(level, options, models, log, windows)


def _share(level: Level, options: Options, begin_ns: int) -> Share:
    slots = options.max_in_flight if level.is_open else int(level.value)
    if options.sequences is not None and level.is_open:
        slots = min(slots, options.sequences.active)
    rate = level.value if level.is_open and not options.intervals_s else 0.0
    return Share(
        slots=slots,
        rate=rate,
        intervals_s=options.intervals_s,
        arrivals=options.arrivals,
        limit=options.requests,
        seed=options.seed,
        begin_ns=begin_ns,
    )


def _time_windows(log: _Log, options: Options, level: Level, told: Told) -> list[Window]:
    time.sleep(LEAD_NS / 1e9 + options.warm_up_s)
    told(level, 0, None)
    log.collect()
    log.forget_warm_up()
    log.mark()
    windows: list[Window] = []
    start = time.monotonic_ns()
    while len(windows) < options.max_windows and not agree(windows, options.stability):
        samples, end = _one_window(log, options, start)
        windows.append(Window.of(samples, start, end, options.percentile, level.is_open))
        log.mark()
        told(level, len(windows), windows[-1])
        start = end
        if len(windows) == AGREEING and not any(w.throughput_per_s for w in windows):
            break  # nothing is answered, and nothing will be
    return windows


def _one_window(log: _Log, options: Options, start_ns: int) -> tuple[Samples, int]:
    """Wait until a window has its length and its requests; then its requests and its end."""
    earlier = max(len(log.parts) - 1, 0)  # what was collected last may have ended after this window began
    time.sleep(max(options.window_s - (time.monotonic_ns() - start_ns) / 1e9, 0))
    while True:
        end = time.monotonic_ns()
        log.collect()
        found = Samples.join(log.parts[earlier:]).between(start_ns, end)
        if len(found) >= options.window_requests or end - start_ns > LONGEST * options.window_s * 1e9:
            return found, end
        time.sleep(POLL_S)


def _count_requests(log: _Log, options: Options, level: Level) -> list[Window]:
    """One window, from the first request to the end of the last."""
    log.collect()
    log.mark()
    while sum(map(len, log.parts)) < options.requests:
        time.sleep(POLL_S)
        log.collect()
    log.mark()
    found = Samples.join(log.parts)
    return [Window.of(found, int(found.due.min()), int(found.end.max()) + 1, options.percentile, level.is_open)]


def _result(level: Level, options: Options, models: tuple[str, ...], log: _Log, windows: list[Window]) -> Result:
    """Put the windows that count together: the last three, or all if there are fewer."""
    counted = windows[-AGREEING:]
    start, end = counted[0].start_ns, counted[-1].end_ns
    samples = Samples.join(log.parts).between(start, end)
    answered = samples.answered()
    seconds = (end - start) / 1e9
    first = answered.first - answered.sent
    gaps = np.frombuffer(b"".join(log.gaps), np.int64).reshape(-1, 2)
    gaps = gaps[(gaps[:, 0] >= start) & (gaps[:, 0] < end)]
    early, late = log.marks[-len(counted) - 1], log.marks[-1]
    busy = [(b - a) / max(late.time_ns - early.time_ns, 1) for a, b in zip(early.processor_ns, late.processor_ns)]
    before, after = early.statistics, late.statistics
    times = [difference(before, after, m) for m in models] if before is not None and after is not None else []
    found = corrected(samples, level.is_open)
    judge = found if level.is_open else measured(samples)
    delay = Distribution.of(samples.sent - samples.due)
    return Result(
        level=level,
        seconds=seconds,
        completed=len(answered),
        failed=len(samples) - len(answered),
        throughput_per_s=len(answered) / seconds,
        responses_per_s=float(answered.responses.sum()) / seconds,
        latency=measured(samples),
        corrected=found,
        first_response=Distribution.of(first) if options.streaming else None,
        between_responses=Distribution.of(gaps[:, 1]) if options.streaming else None,
        errors=dict(log.errors),
        windows=tuple(windows),
        is_stable=bool(options.requests) or agree(windows, options.stability),
        judged_ms=judge.mean() if options.percentile is None else judge.percentile(options.percentile),
        send_delay_p99_ms=delay.percentile(99) if level.is_open else 0.0,
        processor=max(busy),
        waiting=log.waiting,
        server=tuple(t for t in times if t is not None),
    )
