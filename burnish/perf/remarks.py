"""What a report's numbers alone do not say, in words."""

from __future__ import annotations

from burnish.perf.report import Report, Result

LATE_MS = 1.0


def remarks(report: Report) -> list[str]:
    """Failures with their messages, doubts about the numbers, the knee, and what the limit allows."""
    found = [f"{result.level}: {text}" for result in report.results for text in _remarks(result)]
    if shaky := [str(r.level) for r in report.results if not r.is_stable]:
        advice = "raise --window, --max-windows or --stability"
        found.append(f"no three windows in a row agreed at {', '.join(shaky)}: {advice}")
    if report.knee is not None:
        knee = report.results[report.knee]
        speed = f"{knee.throughput_per_s:.0f} per s at {knee.corrected.mean():.3f} ms"
        found.append(f"knee of the curve: {knee.level}, {speed}")
    elif len(report.results) > 2:
        found.append("no knee: the last level still gains more than it costs")
    if report.latency_limit_ms is not None:
        best = report.best_within_limit
        limit = f"{report.judged_by} <= {report.latency_limit_ms:g} ms"
        found.append(f"{limit}: {best.throughput_per_s:.0f} per s at {best.level}" if best else f"{limit}: no level")
    return found


def _remarks(result: Result) -> list[str]:
    found = []
    if result.failed:
        shown = sorted(result.errors.items(), key=lambda e: -e[1])[:3]
        messages = "; ".join(f"{count} x {message}" for message, count in shown)
        found.append(f"{result.failed} of {result.completed + result.failed} failed: {messages}")
    if result.is_client_bound:
        used = f"{100 * result.processor:.0f} % of a core"
        found.append(f"a sending process used {used} and may be the limit: raise --processes")
    late = result.send_delay_p99_ms
    if not result.waiting and late > max(LATE_MS, result.latency.percentile(50) / 2):
        found.append(f"1 % of the requests were sent {late:.1f} ms late or more, which counts: this machine is busy")
    if result.waiting:
        found.append(f"{result.waiting} requests were due and still waited in the client")
    return found
