"""What happens right now: rates and percentiles of the last seconds, out of two looks at the statistics."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish.serve.observe.histogram import STAGES, Counts, percentiles_ns
from burnish.serve.observe.machine import Machine
from burnish.serve.observe.watched import Server, Version

HISTORY = 300  # looks that are kept of the server as a whole
ROW_HISTORY = 60  # and of each version
_WINDOW = 5  # looks over which percentiles and means are taken
NO_VERSION = -1  # of a model whose configuration is refused
Key = tuple[str, int]


@dataclass(slots=True)
class Look:
    """Counters of a version at one time."""

    time_s: float
    successes: int
    failures: int
    rows: int
    hits: int
    stage_ns: tuple[int, ...]
    batches: dict[int, int]
    counts: Counts


@dataclass(slots=True)
class _Watched:
    """looks: the last few. history: requests a second and the 99th percentile, while anything happened."""

    version: Version
    looks: deque[Look]
    history: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=ROW_HISTORY))
    row: dict[str, Any] = field(default_factory=dict)


class Live:
    """look: once a second. rows: what is known of each version; total: of all of them."""

    def __init__(self, server: Server, machine: Machine) -> None:
        self._server, self._machine = server, machine
        self._watched: dict[Key, _Watched] = {}
        self.rows: dict[Key, dict[str, Any]] = {}
        self.history: deque[dict[str, Any]] = deque(maxlen=HISTORY)

    def look(self) -> tuple[dict[str, Any], list[dict[str, Any]], list[Key]]:
        """(the server as a whole, rows that are new or have changed, versions that are gone)"""
        now_s = time.monotonic()
        held = {
            (name, number): state
            for name, model in self._server.repository.models.items()
            for number, state in model.versions.items()
        }
        rows = {}
        counts: list[Counts] = []
        for key, state in held.items():
            row: dict[str, Any] = {"m": key[0], "v": key[1], "state": state.state, "reason": state.reason}
            if state.version is not None:
                row |= self._look_at(key, state.version, now_s, counts)
            rows[key] = row
        named = {name for name, _ in held}
        for name, reason in self._server.repository.refused.items():
            if name not in named:
                rows[name, NO_VERSION] = {"m": name, "v": NO_VERSION, "state": "UNAVAILABLE", "reason": reason}
        for key in [k for k, w in self._watched.items() if k not in held or held[k].version is not w.version]:
            del self._watched[key]
        changed = [row for key, row in rows.items() if self.rows.get(key) != row]
        gone = [key for key in self.rows if key not in rows]
        self.rows = rows
        total = self._total(rows.values(), counts)
        self.history.append(total)
        return total, changed, gone

    def row_history(self) -> list[dict[str, Any]]:
        return [
            {"m": m, "v": v, "rps": [r for r, _ in w.history], "p99": [p for _, p in w.history]}
            for (m, v), w in self._watched.items()
            if w.history
        ]

    def _look_at(self, key: Key, version: Version, now_s: float, counts: list[Counts]) -> dict[str, Any]:
        watched = self._watched.get(key)
        if watched is None or watched.version is not version:
            watched = self._watched[key] = _Watched(version, deque([_look(version, now_s)], maxlen=_WINDOW + 1))
        elif _has_moved(watched.looks, version):
            watched.looks.append(_look(version, now_s))
            watched.row = _row(watched.looks)
            counts.append(watched.looks[-1].counts - watched.looks[0].counts)
        else:  # nothing for as long as is looked back
            watched.row = {}
            while len(watched.looks) > 1:
                watched.looks.pop()
            watched.looks[0].time_s = now_s
        if watched.row or watched.history:
            watched.history.append((watched.row.get("rps", 0.0), watched.row.get("p99", 0.0)))
            if len(watched.history) == ROW_HISTORY and not any(rps for rps, _ in watched.history):
                watched.history.clear()
        own = {"queue": version.scheduler.pending, "flight": version.in_flight, "mem": version.memory_bytes}
        return watched.row | own

    def _total(self, rows: Collection[dict[str, Any]], counts: list[Counts]) -> dict[str, Any]:
        whole = np.sum([c[-1] for c in counts], axis=0) if counts else None
        return {
            "t": round(time.time(), 1),
            "ready": self._server.is_ready,
            "rps": round(sum(r.get("rps", 0.0) for r in rows), 2),
            "err": round(sum(r.get("err", 0.0) for r in rows), 2),
            "flight": sum(r.get("flight", 0) for r in rows),
            "queue": sum(r.get("queue", 0) for r in rows),
            "cpu": round(self._machine.utilization(), 4),
            "rss": self._machine.resident_bytes(),
            **(_percentiles(whole) if whole is not None else {}),
        }


def _has_moved(looks: deque[Look], version: Version) -> bool:
    s, first = version.statistics, looks[0]
    return s.successes + sum(s.failures.values()) != first.successes + first.failures


def _look(version: Version, now_s: float) -> Look:
    s = version.statistics
    return Look(
        now_s,
        s.successes,
        sum(s.failures.values()),
        s.inferences,
        s.cache_hits,
        (s.queue_ns, s.input_ns, s.infer_ns, s.output_ns),
        {rows: batch.count for rows, batch in s.batches.items()},
        s.stages.counts,
    )


def _row(looks: deque[Look]) -> dict[str, Any]:
    """Requests, failures and inferences a second since the last look; the rest over all of them."""
    first, before, now = looks[0], looks[-2], looks[-1]
    step_s = max(now.time_s - before.time_s, 1e-3)
    span_s = max(now.time_s - first.time_s, 1e-3)
    counts = now.counts - first.counts
    computed = max(1, int(counts[0].sum()))
    batches = {rows: n - first.batches.get(rows, 0) for rows, n in now.batches.items()}
    return {
        "rps": round((now.successes - before.successes) / step_s, 2),
        "err": round((now.failures - first.failures) / span_s, 2),
        "ips": round((now.rows - before.rows) / step_s, 2),
        "hits": round((now.hits - first.hits) / max(1, now.successes - first.successes), 3),
        "stages": {n: round((b - a) / computed / 1e3, 1) for n, a, b in zip(STAGES, first.stage_ns, now.stage_ns)},
        "batch": {str(rows): n for rows, n in sorted(batches.items()) if n},
        **_percentiles(counts[-1]),
    }


def _percentiles(counts: Counts) -> dict[str, Any]:
    """In milliseconds; nothing where nothing was counted."""
    found = percentiles_ns(counts, (0.5, 0.95, 0.99))
    return {name: float(f"{ns / 1e6:.3g}") for name, ns in zip(("p50", "p95", "p99"), found)}
