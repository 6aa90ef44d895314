"""Measure: a plan, and its peers beside it, each in its own process, asked in turn."""

from __future__ import annotations

from burnish.bench.measure import Options, bench
from burnish.bench.report import Contender, Latency, Report

__all__ = ["Contender", "Latency", "Options", "Report", "bench"]
