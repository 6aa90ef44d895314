"""`burnish perf`: load a v2 server, and show throughput against latency."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from burnish.cli.output import print_json
from burnish.cli.perf import words as w
from burnish.cli.perf.analyzer_names import translate
from burnish.cli.perf.read_options import read_options
from burnish.cli.progress import progress
from burnish.errors import UserError

if TYPE_CHECKING:
    from burnish.perf import Level, Options, Report
    from burnish.perf.windows import Window

__all__ = ["PerfCommand", "perf"]


class PerfCommand(TyperCommand):
    """Takes perf_analyzer's names of options too."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, translate(args))


def perf(
    model: w.Model,
    url: w.Url = "",
    protocol: w.Wire = "http",
    model_version: w.Version = "",
    concurrency: w.Concurrency = "",
    rate: w.Rate = "",
    arrivals: w.Arrivals = "constant",
    intervals: w.Intervals = None,
    max_in_flight: w.MaxInFlight = 1024,
    batch: w.Batch = 1,
    shape: w.Shapes = None,
    data: w.Data = "random",
    string_length: w.StringLength = 128,
    string_data: w.StringData = None,
    encoding: w.Encoding = "binary",
    shared_memory: w.Memory = "none",
    output_memory: w.OutputMemory = 131072,
    window: w.Window = 2.0,
    window_requests: w.WindowRequests = 10,
    max_windows: w.MaxWindows = 10,
    stability: w.Stability = 10.0,
    warm_up: w.WarmUp = 1.0,
    requests: w.Requests = 0,
    percentile: w.Percentile = None,
    latency_limit: w.LatencyLimit = None,
    search: w.Search = False,
    processes: w.Processes = 1,
    timeout: w.Timeout = 60.0,
    streaming: w.Streaming = False,
    sequence_length: w.SequenceLength = 0,
    sequence_length_variation: w.SequenceVariation = 20.0,
    sequences: w.ActiveSequences = 4,
    sequence_ids: w.SequenceIds = "1",
    header: w.Headers = None,
    parameter: w.Parameters = None,
    ca: w.Authority = "",
    certificate: w.Certificate = "",
    key: w.Key = "",
    seed: w.Seed = 0,
    csv: w.CsvFile = None,
    html: w.HtmlFile = None,
    as_json: w.AsJson = False,
) -> None:
    """Load a model on a KServe v2 or Triton server; measure throughput, latency and where the time goes."""
    options = read_options(locals())
    for path in (csv, html):
        if path is not None:
            _write_text(path, "", "a")  # what cannot be written shows now, not after minutes
    report = _measure(options)
    _write(report, csv, html)
    if as_json:
        print_json(report.as_dict())
    else:
        from burnish.cli.perf.show import show

        show(report)
    if not all(r.completed for r in report.results) or (latency_limit is not None and not report.best_within_limit):
        raise typer.Exit(1)


def _measure(options: Options) -> Report:
    from burnish.perf import run_perf
    from burnish.perf.sweep import levels_of

    levels = [level.value for level in levels_of(options)]
    with progress() as advance:

        def told(level: Level, number: int, window: Window | None) -> None:
            done = levels.index(level.value) if level.value in levels else 0
            speed = f", {window.throughput_per_s:.0f} per s, {window.latency_ms:.3f} ms" if window else ""
            advance(f"{level}: {f'window {number}' if number else 'warmed up'}{speed}", done, len(levels))

        return run_perf(options, told)


def _write(report: Report, csv: Path | None, html: Path | None) -> None:
    if csv is not None:
        from burnish.perf.write_csv import csv_text

        _write_text(csv, csv_text(report))
    if html is not None:
        from burnish.perf.page.page import html_text

        _write_text(html, html_text(report))


def _write_text(path: Path, text: str, mode: str = "w") -> None:
    """E618 if the file cannot be written."""
    try:
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise UserError("E618", f"{path} cannot be written", why=error.strerror or str(error)) from None
