"""Times of requests as arrays, and their percentiles, with and without correction for coordinated omission.

A closed loop does not send while it waits, so one long answer hides all the requests that users would have sent
meanwhile. Two corrections exist, and each kind of load gets its own:

    open loop     latency = end - due        due: when the schedule wanted it sent (wrk2)
    closed loop   a latency v above the usual interval I adds v - I, v - 2I, ... down to I       (HdrHistogram)
                  I: the median latency, after which the same user would have sent again
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]
FIELDS = 6  # due, sent, first, end [ns of the monotonic clock], responses, failed: as `load.driver` writes them
PERCENTILES = (50.0, 90.0, 95.0, 99.0, 99.9)
MOST_ADDED = 2_000_000  # requests that a correction adds one by one; above that each stands for several
NS_PER_MS = 1e6


@dataclass(frozen=True, slots=True)
class Samples:
    """Requests that ended. Each field is one array over them."""

    due: Times
    sent: Times
    first: Times
    end: Times
    responses: Times
    failed: npt.NDArray[np.bool_]

    @staticmethod
    def read(data: bytes) -> Samples:
        """From the bytes that a driver kept: six int64 a request."""
        table = np.frombuffer(data, np.int64).reshape(-1, FIELDS)
        due, sent, first, end, responses, failed = (table[:, i] for i in range(FIELDS))
        return Samples(due, sent, first, end, responses, failed != 0)

    @staticmethod
    def join(parts: Iterable[Samples]) -> Samples:
        """All requests of the parts, in the order of their ends."""
        found = list(parts) or [Samples.read(b"")]
        columns = [np.concatenate([getattr(p, name) for p in found]) for name in Samples.__slots__]
        order = np.argsort(columns[3], kind="stable")
        return Samples(*(c[order] for c in columns))

    def __len__(self) -> int:
        return len(self.end)

    def between(self, start_ns: int, end_ns: int) -> Samples:
        """Those that ended at or after the start and before the end."""
        return self.where((self.end >= start_ns) & (self.end < end_ns))

    def where(self, chosen: npt.NDArray[np.bool_]) -> Samples:
        return Samples(*(getattr(self, name)[chosen] for name in Samples.__slots__))

    def answered(self) -> Samples:
        """Those that did not fail."""
        return self.where(~self.failed)


@dataclass(frozen=True, slots=True)
class Distribution:
    """Values [ms] in ascending order, and how many requests each stands for."""

    values_ms: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]

    @staticmethod
    def of(times_ns: Times) -> Distribution:
        return Distribution(np.sort(times_ns) / NS_PER_MS, np.ones(len(times_ns)))

    def percentile(self, percent: float) -> float:
        """The smallest value that at least this share of all requests does not exceed (nearest rank)."""
        if not len(self.values_ms):
            return float("nan")
        reached = np.cumsum(self.weights)
        rank = max(percent / 100 * reached[-1] * (1 - 1e-12), 0)
        return float(self.values_ms[min(np.searchsorted(reached, rank), len(reached) - 1)])

    def percentiles(self, percents: Iterable[float]) -> list[float]:
        return [self.percentile(p) for p in percents]

    def mean(self) -> float:
        return float(np.average(self.values_ms, weights=self.weights)) if len(self.values_ms) else float("nan")

    def as_dict(self) -> dict[str, float]:
        """mean, standard deviation, smallest, largest and the percentiles; nothing if there is no request."""
        if not len(self.values_ms):
            return {}
        mean = self.mean()
        spread = float(np.sqrt(np.average((self.values_ms - mean) ** 2, weights=self.weights)))
        named = {f"p{p:g}": value for p, value in zip(PERCENTILES, self.percentiles(PERCENTILES))}
        return {
            "mean": mean,
            "std": spread,
            "min": float(self.values_ms[0]),
            **named,
            "max": float(self.values_ms[-1]),
        }


def measured(samples: Samples) -> Distribution:
    """From sending a request to the end of its answer."""
    found = samples.answered()
    return Distribution.of(found.end - found.sent)


def corrected(samples: Samples, is_open: bool) -> Distribution:
    """As a user would see it who does not wait for others' answers; the formulas stand above."""
    found = samples.answered()
    if is_open:
        return Distribution.of(found.end - found.due)
    times = found.end - found.sent
    return fill_omitted(times, int(np.median(times)) if len(times) else 0)


def fill_omitted(times_ns: Times, interval_ns: int) -> Distribution:
    """Add to each time those of the requests that should have been sent while it lasted, one each interval.

    cost: at most about MOST_ADDED more values; above that only every n-th is made and has the weight n
    """
    if interval_ns <= 0 or not len(times_ns):
        return Distribution.of(times_ns)
    missing = np.maximum(times_ns // interval_ns - 1, 0)
    stride = max(1, -(-int(missing.sum()) // MOST_ADDED))
    kept = -(-missing // stride)
    origin = np.repeat(np.arange(len(times_ns)), kept)
    number = np.arange(len(origin)) - np.repeat(np.cumsum(kept) - kept, kept)  # 0, 1, ... within each time
    added = times_ns[origin] - (number * stride + 1) * interval_ns
    stands_for = np.minimum(stride, missing[origin] - number * stride)
    values = np.concatenate([times_ns, added]) / NS_PER_MS
    weights = np.concatenate([np.ones(len(times_ns)), stands_for.astype(np.float64)])
    order = np.argsort(values, kind="stable")
    return Distribution(values[order], weights[order])
