"""A report with known numbers, for tests of what shows it."""

from __future__ import annotations

from typing import Any

import numpy as np

from burnish.perf.data.model import Input, Model
from burnish.perf.report import Level, Report, Result
from burnish.perf.samples import Distribution
from burnish.perf.server_times import difference
from burnish.perf.windows import Window
from tests.perf.fake_server import statistics

MODEL = Model("echo", "", "fake", (Input("IN", "FP32", (4,)),), (Input("OUT", "FP32", (4,)),), 8)


def times(*values_ms: float) -> Distribution:
    return Distribution.of(np.array([round(v * 1e6) for v in values_ms], np.int64))


def made_result(value: float, throughput: float, latency: Distribution, **other: Any) -> Result:
    own = difference([statistics(0)], [statistics(40)], "echo")
    assert own is not None
    fields: dict[str, Any] = {
        "level": Level(False, value),
        "seconds": 2.0,
        "completed": len(latency.values_ms),
        "failed": 0,
        "throughput_per_s": throughput,
        "responses_per_s": throughput,
        "latency": latency,
        "corrected": latency,
        "first_response": None,
        "between_responses": None,
        "errors": {},
        "windows": (Window(0, 10**9, throughput, latency.mean(), 0),),
        "is_stable": True,
        "judged_ms": latency.mean(),
        "send_delay_p99_ms": 0.0,
        "processor": 0.2,
        "waiting": 0,
        "server": (own,),
    }
    return Result(**{**fields, **other})


def made_report(*results: Result, **other: Any) -> Report:
    """By default three levels with the knee at the second."""
    found = results or (
        made_result(1, 100, times(9, 10, 11)),
        made_result(4, 390, times(10, 11, 12)),
        made_result(16, 400, times(39, 40, 41)),
    )
    fields: dict[str, Any] = {
        "model": MODEL,
        "server": {"name": "fake", "version": "1.0"},
        "url": "localhost:8000",
        "protocol": "http",
        "batch": 2,
        "processes": 1,
        "judged_by": "mean",
        "date": "2026-01-01T00:00:00Z",
        "results": found,
    }
    return Report(**{**fields, **other})
