"""Where the server says the time goes: the difference of two answers of its statistics endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Rows = Sequence[Mapping[str, Any]]
STAGES = ("queue", "compute_input", "compute_infer", "compute_output")


@dataclass(frozen=True, slots=True)
class ServerTimes:
    """Of one model during a measurement; times are means a request [ms].

    inferences / executions: the mean batch that the server made; other_ms: inside the server, but in no stage
    """

    model: str
    inferences: int
    executions: int
    failed: int
    cache_hits: int
    stages_ms: Mapping[str, float]
    request_ms: float

    @property
    def mean_batch(self) -> float:
        return self.inferences / self.executions if self.executions else 0.0

    @property
    def other_ms(self) -> float:
        return max(self.request_ms - sum(self.stages_ms.values()), 0.0)

    def as_dict(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "inferences": self.inferences,
            "executions": self.executions,
            "mean_batch": self.mean_batch,
            "failed": self.failed,
            "cache_hits": self.cache_hits,
            "request_ms": self.request_ms,
            **{f"{stage}_ms": value for stage, value in self.stages_ms.items()},
        }


def difference(before: Rows, after: Rows, model: str) -> ServerTimes | None:
    """What a model, all its versions together, did between two answers. None if the server does not count it."""
    start, end = (_sums([row for row in rows if row.get("name") == model]) for rows in (before, after))
    if end is None:
        return None
    start = start or dict.fromkeys(end, 0)
    grown = {key: max(value - start.get(key, 0), 0) for key, value in end.items()}
    count = grown["success.count"]
    stages = {s: grown[f"{s}.ns"] / max(grown[f"{s}.count"], 1) / 1e6 for s in STAGES}
    return ServerTimes(
        model=model,
        inferences=grown["inference_count"],
        executions=grown["execution_count"],
        failed=grown["fail.count"],
        cache_hits=grown["cache_hit.count"],
        stages_ms=stages,
        request_ms=grown["success.ns"] / max(count, 1) / 1e6,
    )


def _sums(rows: Rows) -> dict[str, int] | None:
    """Over versions. Numbers may be texts: gRPC's JSON form writes 64-bit integers so."""
    if not rows:
        return None
    found = {key: sum(int(row.get(key, 0)) for row in rows) for key in ("inference_count", "execution_count")}
    for stage in ("success", "fail", "cache_hit", *STAGES):
        for key in ("count", "ns"):
            parts = [(row.get("inference_stats") or {}).get(stage) or {} for row in rows]
            found[f"{stage}.{key}"] = sum(int(part.get(key, 0)) for part in parts)
    return found
