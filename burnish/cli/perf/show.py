"""A report as a table for people, and what they should notice beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from burnish.cli.output import note, print_table

if TYPE_CHECKING:
    from burnish.perf import Report, Result


def show(report: Report) -> None:
    """The table on stdout, the remarks on stderr."""
    results = report.results
    streams = any(r.first_response for r in results)
    timed = any(r.server for r in results)
    head = [
        "rate>" if results[0].level.is_open else "in flight>",
        "per s>",
        "mean ms>",
        "p50>",
        "p90>",
        "p95>",
        "p99>",
    ]
    head += ["corrected p99>", "p99.9>"]
    head += ["first p50>", "first p99>", "between p50>", "between p99>", "responses/s>"] if streams else []
    head += ["queue>", "compute>", "batch>"] if timed else []
    head += ["failed>", "client>", ""]
    print_table(head, [_row(r, report, streams, timed) for r in results])
    from burnish.perf.remarks import remarks

    for text in remarks(report):
        note(text)


def _row(result: Result, report: Report, streams: bool, timed: bool) -> list[object]:
    times = (result.corrected if result.level.is_open else result.latency).percentiles((50, 90, 95, 99, 99.9))
    mean = (result.corrected if result.level.is_open else result.latency).mean()
    row: list[object] = [f"{result.level.value:g}", f"{result.throughput_per_s:.1f}", mean, *times[:4]]
    row += [result.corrected.percentile(99), times[4]]
    if streams and result.first_response and result.between_responses:
        row += result.first_response.percentiles((50, 99)) + result.between_responses.percentiles((50, 99))
        row.append(f"{result.responses_per_s:.1f}")
    row = ["" if value != value else value for value in row]  # nan: no such response
    if timed:
        row += _server(result)
    mark = "knee" if report.knee is not None and report.results[report.knee] is result else ""
    row += [result.failed, f"{100 * result.processor:.0f} %", mark if result.is_stable else f"{mark} unstable".strip()]
    return row


def _server(result: Result) -> list[object]:
    if not result.server:
        return ["", "", ""]
    own = result.server[0]
    compute = sum(own.stages_ms.values()) - own.stages_ms["queue"]
    return [own.stages_ms["queue"], compute, f"{own.mean_batch:.1f}"]
