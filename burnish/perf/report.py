"""What was measured: a result for each level, and facts about the whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from burnish.perf.data.model import Model
from burnish.perf.knee import find_knee
from burnish.perf.samples import Distribution
from burnish.perf.server_times import ServerTimes
from burnish.perf.windows import Window

SPECTRUM = (  # percentiles of the distribution's plot
    *range(0, 100, 5), 97.5, 99.0, 99.5, 99.75, 99.9, 99.95, 99.99, 100.0,
)  # fmt: skip
CLIENT_LIMIT = 0.85  # of a core: a sending process above this may be what limits


@dataclass(frozen=True, slots=True)
class Level:
    """is_open: `value` is a rate [1/s]; otherwise the number of requests in flight."""

    is_open: bool
    value: float

    def __str__(self) -> str:
        return f"{self.value:g} per s" if self.is_open else f"{self.value:g} in flight"


@dataclass(frozen=True, slots=True)
class Result:
    """One level.

    latency:        from sending to the end of the answer
    corrected:      the same without coordinated omission (`samples` says how)
    first_response, between_responses:  of streams
    send_delay_p99_ms:  open loop: how late the 99th of 100 requests was sent
    processor:      of the busiest sending process, in cores
    waiting:        open loop: requests that were due at the end and not yet sent
    """

    level: Level
    seconds: float
    completed: int
    failed: int
    throughput_per_s: float
    responses_per_s: float
    latency: Distribution
    corrected: Distribution
    first_response: Distribution | None
    between_responses: Distribution | None
    errors: Mapping[str, int]
    windows: tuple[Window, ...]
    is_stable: bool
    judged_ms: float
    send_delay_p99_ms: float
    processor: float
    waiting: int
    server: tuple[ServerTimes, ...] = ()

    @property
    def is_client_bound(self) -> bool:
        """May the tool itself have been the limit?"""
        return self.processor > CLIENT_LIMIT

    def as_dict(self, batch: int) -> dict[str, Any]:
        """For JSON and for the page."""
        streams = {
            "first_response_ms": self.first_response.as_dict() if self.first_response else None,
            "between_responses_ms": self.between_responses.as_dict() if self.between_responses else None,
            "responses_per_s": self.responses_per_s,
        }
        return {
            "rate" if self.level.is_open else "concurrency": self.level.value,
            "seconds": self.seconds,
            "completed": self.completed,
            "failed": self.failed,
            "throughput_per_s": self.throughput_per_s,
            "inferences_per_s": self.throughput_per_s * batch,
            "latency_ms": self.latency.as_dict(),
            "corrected_ms": self.corrected.as_dict(),
            **(streams if self.first_response else {}),
            "errors": [{"message": m, "count": c} for m, c in sorted(self.errors.items(), key=lambda e: -e[1])],
            "stable": self.is_stable,
            "windows": [w.as_dict() for w in self.windows],
            "client": {
                "processor": self.processor,
                "may_limit": self.is_client_bound,
                "send_delay_p99_ms": self.send_delay_p99_ms,
                "waiting": self.waiting,
            },
            "server": [s.as_dict() for s in self.server],
            "spectrum": {
                "percentile": list(SPECTRUM),
                "latency_ms": self.latency.percentiles(SPECTRUM),
                "corrected_ms": self.corrected.percentiles(SPECTRUM),
            }
            if self.completed
            else None,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """A whole sweep, its levels in the order of their load."""

    model: Model
    server: Mapping[str, Any]
    url: str
    protocol: str
    batch: int
    processes: int
    judged_by: str
    date: str
    results: tuple[Result, ...]
    latency_limit_ms: float | None = None

    @property
    def knee(self) -> int | None:
        """The index of the level at the knee of the curve."""
        good = [r for r in self.results if r.completed]
        if len(good) != len(self.results):
            return None
        return find_knee([r.throughput_per_s for r in good], [r.corrected.mean() for r in good])

    @property
    def best_within_limit(self) -> Result | None:
        """The level with the most throughput that keeps the latency limit. None without a limit."""
        limit = self.latency_limit_ms
        within = [r for r in self.results if limit is not None and r.completed and r.judged_ms <= limit]
        return max(within, key=lambda r: r.throughput_per_s, default=None)

    def as_dict(self) -> dict[str, Any]:
        best = self.best_within_limit
        return {
            "model": self.model.name,
            "version": self.model.version,
            "inputs": [{"name": i.name, "datatype": i.datatype, "shape": list(i.shape)} for i in self.model.inputs],
            "server": {"name": self.server.get("name", ""), "version": self.server.get("version", "")},
            "url": self.url,
            "protocol": self.protocol,
            "batch": self.batch,
            "processes": self.processes,
            "judged_by": self.judged_by,
            "latency_limit_ms": self.latency_limit_ms,
            "date": self.date,
            "knee": self.knee,
            "best_within_limit": self.results.index(best) if best else None,
            "levels": [r.as_dict(self.batch) for r in self.results],
        }
