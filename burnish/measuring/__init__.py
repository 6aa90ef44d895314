"""Measure: a plan, and its peers beside it, each in its own process, asked in turn."""

from __future__ import annotations

from burnish.measuring.measure import Options, bench
from burnish.measuring.report import Contender, Latency, Report

__all__ = ["Contender", "Latency", "Options", "Report", "bench"]
