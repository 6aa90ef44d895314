"""Measure: a plan, and its peers beside it, each in its own process, asked in turn."""

from __future__ import annotations

from burnish.measuring.measure import Options, bench
from burnish.measuring.report import BenchReport, Contender, Latency

__all__ = ["BenchReport", "Contender", "Latency", "Options", "bench"]
