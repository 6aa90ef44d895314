"""The report as one HTML file that needs nothing else: no script, no font, no host."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from burnish.perf.page.document import document, legend, noted, tile
from burnish.perf.page.plots import (
    CURVES,
    STAGES,
    curve_plot,
    judged,
    level_color,
    load_plot,
    spectrum_plot,
    stages_plot,
)
from burnish.perf.remarks import remarks
from burnish.perf.report import Report, Result


def html_text(report: Report) -> str:
    """A page with the figures that matter, three plots and the table."""
    title = f"{report.model.name}: throughput and latency"
    plots = _plots(report) if any(r.completed for r in report.results) else ""
    levels = f'<section class="card wide"><h2>Levels</h2>{_table(report)}</section>'
    body = f'<div class="plots">{plots}</div>{levels}{noted("To notice", remarks(report))}'
    return document(title, report.model.name, _facts(report), _tiles(report), body)


def _facts(report: Report) -> str:
    server = " ".join(str(report.server.get(k, "")) for k in ("name", "version")).strip() or "a v2 server"
    shapes = ", ".join(f"{i.name} {i.datatype}[{','.join(map(str, i.shape))}]" for i in report.model.inputs)
    kind = "open loop" if report.results[0].level.is_open else "closed loop"
    parts = [f"{server} at {report.url} over {report.protocol}", shapes, f"batch {report.batch}", kind, report.date]
    return " &middot; ".join(escape(p) for p in parts if p)


def _tiles(report: Report) -> list[str]:
    answered = [r for r in report.results if r.completed]
    failed = sum(r.failed for r in report.results)
    tiles = []
    if answered:
        best = max(answered, key=lambda r: r.throughput_per_s)
        low = min(answered, key=lambda r: judged(r).percentile(50))
        tiles.append(tile(f"{best.throughput_per_s:,.0f} / s", f"most throughput, at {best.level}"))
        tiles.append(tile(f"{judged(low).percentile(50):.3g} ms", f"lowest median, at {low.level}"))
    if report.knee is not None:
        knee = report.results[report.knee]
        tiles.append(tile(str(knee.level), f"knee: {knee.throughput_per_s:,.0f} per s, "
            f"p99 {judged(knee).percentile(99):.3g} ms"))  # fmt: skip
    if report.latency_limit_ms is not None:
        within = report.best_within_limit
        text = f"{within.throughput_per_s:,.0f} / s" if within else "none"
        tiles.append(tile(text, f"with {report.judged_by} of at most {report.latency_limit_ms:g} ms", not within))
    total = failed + sum(r.completed for r in report.results)
    tiles.append(tile(f"{failed:,}", f"failed of {total:,} requests", failed > 0))
    return tiles


def _plots(report: Report) -> str:
    answered = [r for r in report.results if r.completed]
    unit = "requests per second asked for" if answered[0].level.is_open else "requests in flight"
    lines = [(f"p{p:g}", color) for p, color in CURVES]
    levels = [(f"{r.level.value:g}", level_color(i, len(answered))) for i, r in enumerate(answered)]
    cards = [
        _card("Throughput against latency", f"A point for each level; the number beside it: {unit}.",
            curve_plot(report), lines),
        _card("Latency by percentile", f"A line for each level ({unit}), corrected for coordinated omission; "
            "dashed: as measured.", spectrum_plot(report), levels),
    ]  # fmt: skip
    if len(answered) > 1:
        ideal = "what was asked for" if answered[0].level.is_open else "as many for each as at the first level"
        keys = [("answers", "var(--p50)"), (ideal, "var(--soft)")]
        hint = "Where the line leaves the dashed one, the server has reached what it can do."
        cards.append(_card("Throughput by load", hint, load_plot(report), keys))
    if stages := stages_plot(report):
        shown = [(name, color) for _, name, color in STAGES]
        cards.append(_card("Where the time goes", f"Mean of a request by the server's own counters; rows: {unit}.",
            stages, shown))  # fmt: skip
    return "".join(cards)


def _card(title: str, hint: str, plot: str, keys: Sequence[tuple[str, str]]) -> str:
    head = f'<h2>{escape(title)}</h2><p class="hint">{escape(hint)}</p>'
    return f'<section class="card">{head}{plot}{legend((color, name) for name, color in keys)}</section>'


def _table(report: Report) -> str:
    streams = any(r.first_response for r in report.results)
    timed = any(r.server for r in report.results)
    head = ["rate" if report.results[0].level.is_open else "in flight", "answers / s", "mean ms", "p50", "p90", "p95"]
    head += ["p99", "p99.9", "corrected p99"]
    head += ["first p50", "first p99", "between p50", "between p99"] if streams else []
    head += ["queue ms", "batch"] if timed else []
    head += ["failed", "client", ""]
    rows = []
    for index, result in enumerate(report.results):
        cells = "".join(_cells(result, streams, timed))
        rows.append(f"<tr{' class=knee' if index == report.knee else ''}>{cells}</tr>")
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _cells(result: Result, streams: bool, timed: bool) -> list[str]:
    found = judged(result)
    times = [found.mean(), *found.percentiles((50, 90, 95, 99, 99.9)), result.corrected.percentile(99)]
    if streams and result.first_response and result.between_responses:
        times += result.first_response.percentiles((50, 99)) + result.between_responses.percentiles((50, 99))
    cells = [f"<td>{result.level.value:g}</td><td>{result.throughput_per_s:,.1f}</td>"]
    cells += ["<td></td>" if t != t else f"<td>{t:.3f}</td>" for t in times]
    if timed:
        own = result.server[0] if result.server else None
        cells += [
            f"<td>{own.stages_ms['queue']:.3f}</td><td>{own.mean_batch:.1f}</td>" if own else "<td></td><td></td>"
        ]
    cells.append(f'<td class="{"bad" if result.failed else ""}">{result.failed:,}</td>')
    cells.append(f"<td>{100 * result.processor:.0f} %</td><td>{'' if result.is_stable else 'unstable'}</td>")
    return cells
