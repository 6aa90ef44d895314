"""Measure a plan and other systems beside it. Each runs in its own process, and they take turns."""

from __future__ import annotations

from burnish.measuring.measure import Options, bench
from burnish.measuring.report import BenchReport, Contender, Latency

__all__ = ["BenchReport", "Contender", "Latency", "Options", "bench"]
