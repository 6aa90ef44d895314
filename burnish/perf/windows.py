"""Windows of a measurement, and when they agree well enough to stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.perf.samples import Samples, corrected, measured

AGREEING = 3  # windows in a row


@dataclass(frozen=True, slots=True)
class Window:
    """One stretch of time: start_ns, end_ns of the monotonic clock; latency: mean or the percentile that judges."""

    start_ns: int
    end_ns: int
    throughput_per_s: float
    latency_ms: float
    failed: int

    @staticmethod
    def of(samples: Samples, start_ns: int, end_ns: int, percentile: float | None, is_open: bool) -> Window:
        answered = samples.answered()
        found = corrected(answered, True) if is_open else measured(answered)
        latency = found.mean() if percentile is None else found.percentile(percentile)
        throughput = len(answered) / ((end_ns - start_ns) / 1e9)
        return Window(start_ns, end_ns, throughput, latency, int(samples.failed.sum()))

    def as_dict(self) -> dict[str, float]:
        return {
            "seconds": (self.end_ns - self.start_ns) / 1e9,
            "throughput_per_s": self.throughput_per_s,
            "latency_ms": self.latency_ms,
            "failed": self.failed,
        }


def agree(windows: Sequence[Window], percent: float) -> bool:
    """Do the last three windows' throughputs, and their latencies, each lie within this many percent of their mean?"""
    last = windows[-AGREEING:]
    if len(last) < AGREEING:
        return False
    for values in ([w.throughput_per_s for w in last], [w.latency_ms for w in last]):
        mean = sum(values) / len(values)
        if not all(abs(v - mean) <= percent / 100 * mean for v in values) or mean <= 0:
            return False
    return True
