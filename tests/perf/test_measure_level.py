"""One level against workers that report made-up samples: windows, warm-up, stability, counters."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np
import pytest

from burnish.perf.load.schedule import Share
from burnish.perf.load.workers import Batch
from burnish.perf.measure_level import measure_level
from burnish.perf.options import Options, Sequences
from burnish.perf.report import Level, Result
from burnish.perf.samples import Samples
from tests.perf.fake_server import statistics

QUICK = {"window_s": 0.05, "warm_up_s": 0.05}


class Workers:
    """Reports `rate` requests a second, each of latency_ms, as if they had been sent since the last time."""

    def __init__(self, latency_ms: Any = lambda at_s: 5.0, rate: int = 1000, fails: bool = False) -> None:
        self.latency_ms, self.rate, self.fails = latency_ms, rate, fails
        self.shares: list[Share] = []
        self.stopped = False
        self.total = 0

    def start(self, share: Share) -> None:
        self.shares.append(share)
        self.begin = self.last = share.begin_ns

    def collect(self) -> Batch:
        now = max(time.monotonic_ns(), self.last)
        ends = np.arange(self.last, now, 10**9 // self.rate)
        self.last = int(ends[-1]) + 10**9 // self.rate if len(ends) else self.last
        sent = [int(e - self.latency_ms((e - self.begin) / 1e9) * 1e6) for e in ends]
        rows = [(s - 1_000_000, s, s, e, 1, self.fails) for s, e in zip(sent, ends)]
        self.total += len(rows)
        errors = Counter({"503: full": len(rows)}) if self.fails and rows else Counter[str]()
        data = np.array(rows, np.int64).reshape(-1, 6).tobytes()
        return Batch(Samples.read(data), b"", errors, (now // 4,), 3)

    def stop(self) -> Batch:
        self.stopped = True
        return self.collect()


class Server:
    def __init__(self, workers: Workers) -> None:
        self.workers = workers

    def statistics(self) -> list[dict[str, Any]]:
        return [statistics(self.workers.total)]


def measure(workers: Workers, level: Level = Level(False, 4.0), **options: Any) -> Result:  # noqa: B008
    wanted = Options("echo", **{**QUICK, **options})
    return measure_level(workers, level, wanted, ("echo",), Server(workers), lambda *_: None)  # type: ignore[arg-type]


def test_steady_answers_end_after_three_windows() -> None:
    workers = Workers()
    found = measure(workers, stability=30.0)
    assert len(found.windows) == 3 and found.is_stable and workers.stopped
    assert found.throughput_per_s == pytest.approx(1000, rel=0.1)
    assert found.latency.percentile(50) == pytest.approx(5) and found.failed == 0
    assert found.processor == pytest.approx(0.25, rel=0.1)
    assert found.server[0].mean_batch == pytest.approx(2, abs=0.1)
    assert found.waiting == 3
    assert workers.shares[0].slots == 4


def test_the_warm_up_is_not_counted() -> None:
    workers = Workers(lambda at_s: 500.0 if at_s < 0.05 else 5.0)
    assert measure(workers).latency.values_ms.max() == pytest.approx(5)


def test_answers_that_never_settle_end_after_the_most_windows_and_are_not_stable() -> None:
    found = measure(Workers(lambda at_s: 1 + 1000 * at_s), max_windows=4, stability=5.0)
    assert len(found.windows) == 4 and not found.is_stable


def test_a_window_waits_for_its_requests() -> None:
    found = measure(Workers(rate=50), window_requests=10, max_windows=1)
    assert found.completed >= 10 and found.seconds >= 0.15


def test_failures_are_counted_with_their_messages_and_have_no_latency() -> None:
    found = measure(Workers(fails=True))
    assert len(found.windows) == 3  # enough to know that nothing is answered
    assert found.completed == 0 and found.failed > 0 and not found.is_stable
    assert set(found.errors) == {"503: full"} and len(found.latency.values_ms) == 0


def test_a_number_of_requests_is_one_window() -> None:
    workers = Workers()
    found = measure(workers, requests=60)
    assert found.completed >= 60 and len(found.windows) == 1 and found.is_stable
    assert workers.shares[0].limit == 60


def test_an_open_loop_is_judged_from_the_due_time() -> None:
    workers = Workers()
    found = measure(workers, Level(True, 300.0), rates=(300.0,), arrivals="poisson", percentile=90.0)
    assert found.judged_ms == pytest.approx(6) and found.send_delay_p99_ms == pytest.approx(1)
    share = workers.shares[0]
    assert (share.rate, share.arrivals, share.slots) == (300, "poisson", 1024)
    workers = Workers()
    measure(workers, Level(True, 300.0), rates=(300.0,), sequences=Sequences(active=3))
    assert workers.shares[0].slots == 3
