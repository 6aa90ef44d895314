"""The results of a benchmark, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Latency:
    """Times of single runs [ms]."""

    median: float
    min: float
    mean: float
    p10: float
    p90: float
    p99: float

    @staticmethod
    def of(times_ms: Sequence[float]) -> Latency:
        t = np.asarray(times_ms)
        p10, median, p90, p99 = (float(v) for v in np.percentile(t, (10, 50, 90, 99)))
        return Latency(median, float(t.min()), float(t.mean()), p10, p90, p99)


@dataclass(frozen=True, slots=True)
class Contender:
    """One system's numbers.

    load_ms        from the file to ready, in a process that has imported the system already
    first_run_ms   the first answer after that
    peak_rss_mib   of its process, at the end
    problem        why it could not run; then all numbers are absent
    """

    name: str
    latency_ms: Latency | None = None
    throughput_per_s: float = 0.0
    runs: int = 0
    import_ms: float = 0.0
    load_ms: float = 0.0
    first_run_ms: float = 0.0
    peak_rss_mib: float = 0.0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class BenchReport:
    """Burnish, the peers, and where Burnish's time goes.

    layers       LayerTime's fields, `share` of the sum, `roofline`
    launches_ms  all launches without the rest of a call (copies to and from a GPU); given with layers if known
    """

    burnish: Contender
    peers: tuple[Contender, ...] = ()
    layers: tuple[dict[str, Any], ...] = ()
    launches_ms: float | None = None
    threads: int = 0
    shapes: dict[str, list[int]] = field(default_factory=dict)

    def ratios(self) -> dict[str, dict[str, float]]:
        """Our time divided by each peer's, for the medians and the 10th percentiles. Below 1, Burnish is faster."""
        ours = self.burnish.latency_ms
        return {
            peer.name: {"median": ours.median / peer.latency_ms.median, "p10": ours.p10 / peer.latency_ms.p10}
            for peer in self.peers
            if ours is not None and peer.latency_ms is not None
        }

    def as_dict(self) -> dict[str, Any]:
        """For --json: our numbers at the top, then `layers`, `against`, `ratios`."""
        found = asdict(self.burnish)
        found |= {"threads": self.threads, "shapes": self.shapes, "layers": list(self.layers)}
        found["launches_ms"] = self.launches_ms
        if self.peers:
            found["against"] = {peer.name: asdict(peer) for peer in self.peers}
            found["ratios"] = self.ratios()
        return found
