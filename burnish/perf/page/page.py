"""The report as one HTML file that needs nothing else: no script, no font, no host."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

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
from burnish.perf.page.style import STYLE
from burnish.perf.remarks import remarks
from burnish.perf.report import Report, Result


def html_text(report: Report) -> str:
    """A page with the figures that matter, three plots and the table."""
    title = f"{report.model.name}: throughput and latency"
    plots = _plots(report) if any(r.completed for r in report.results) else ""
    notes = "".join(f"<li>{escape(text)}</li>" for text in remarks(report))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}</style></head><body><main>'
        f'<h1>{escape(report.model.name)}</h1><p class="facts">{_facts(report)}</p>'
        f'<div class="tiles">{_tiles(report)}</div><div class="plots">{plots}</div>'
        f'<section class="card wide"><h2>Levels</h2>{_table(report)}</section>'
        + (f'<section class="card wide"><h2>To notice</h2><ul>{notes}</ul></section>' if notes else "")
        + "</main></body></html>\n"
    )


def _facts(report: Report) -> str:
    server = " ".join(str(report.server.get(k, "")) for k in ("name", "version")).strip() or "a v2 server"
    shapes = ", ".join(f"{i.name} {i.datatype}[{','.join(map(str, i.shape))}]" for i in report.model.inputs)
    kind = "open loop" if report.results[0].level.is_open else "closed loop"
    parts = [f"{server} at {report.url} over {report.protocol}", shapes, f"batch {report.batch}", kind, report.date]
    return " &middot; ".join(escape(p) for p in parts if p)


def _tiles(report: Report) -> str:
    answered = [r for r in report.results if r.completed]
    failed = sum(r.failed for r in report.results)
    tiles = []
    if answered:
        best = max(answered, key=lambda r: r.throughput_per_s)
        low = min(answered, key=lambda r: judged(r).percentile(50))
        tiles.append(_tile(f"{best.throughput_per_s:,.0f} / s", f"most throughput, at {best.level}"))
        tiles.append(_tile(f"{judged(low).percentile(50):.3g} ms", f"lowest median, at {low.level}"))
    if report.knee is not None:
        knee = report.results[report.knee]
        tiles.append(_tile(str(knee.level), f"knee: {knee.throughput_per_s:,.0f} per s, "
            f"p99 {judged(knee).percentile(99):.3g} ms"))  # fmt: skip
    if report.latency_limit_ms is not None:
        within = report.best_within_limit
        text = f"{within.throughput_per_s:,.0f} / s" if within else "none"
        tiles.append(_tile(text, f"with {report.judged_by} of at most {report.latency_limit_ms:g} ms", not within))
    total = failed + sum(r.completed for r in report.results)
    tiles.append(_tile(f"{failed:,}", f"failed of {total:,} requests", failed > 0))
    return "".join(tiles)


def _tile(figure: str, told: str, is_bad: bool = False) -> str:
    return f'<div class="tile{" bad" if is_bad else ""}"><b>{escape(figure)}</b><span>{escape(told)}</span></div>'


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


def _card(title: str, hint: str, plot: str, legend: Sequence[tuple[str, str]]) -> str:
    keys = "".join(f'<span><i style="background:{color}"></i>{escape(name)}</span>' for name, color in legend)
    return (
        f'<section class="card"><h2>{escape(title)}</h2><p class="hint">{escape(hint)}</p>{plot}'
        f'<div class="legend">{keys}</div></section>'
    )


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
