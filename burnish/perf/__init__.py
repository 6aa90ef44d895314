"""Load a v2 server and measure throughput against latency. `run_perf(Options(...))` gives a Report."""

from burnish.perf.options import Options, Sequences, Tls
from burnish.perf.report import Level, Report, Result
from burnish.perf.sweep import run_perf

__all__ = ["Level", "Options", "Report", "Result", "Sequences", "Tls", "run_perf"]
