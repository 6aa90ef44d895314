"""The plots of a report: the curve, throughput by load, the percentiles, and where the time goes."""

from __future__ import annotations

import math
from html import escape

from burnish.perf.page import svg
from burnish.perf.report import SPECTRUM, Report, Result
from burnish.perf.samples import Distribution

CURVES = ((50.0, "var(--p50)"), (90.0, "var(--p90)"), (99.0, "var(--p99)"))
STAGES = (
    ("queue", "queue", "var(--s1)"),
    ("compute_input", "input copies", "var(--s2)"),
    ("compute_infer", "inference", "var(--s3)"),
    ("compute_output", "output copies", "var(--s4)"),
    ("other", "rest of the server", "var(--s5)"),
    ("client", "network and client", "var(--s6)"),
)
ROW, BAR = 34.0, 20.0


def judged(result: Result) -> Distribution:
    """The latencies that count: from the due time in an open loop, from sending in a closed one."""
    return result.corrected if result.level.is_open else result.latency


def curve_plot(report: Report) -> str:
    """Throughput against latency: a point a level, a line a percentile; the knee and the limit are marked."""
    results = [r for r in report.results if r.completed]
    limit = report.latency_limit_ms
    rows = [(p, color, [judged(r).percentile(p) for r in results]) for p, color in CURVES]
    heights = [v for _, _, values in rows for v in values] + ([limit] if limit else [])
    x = svg.axis_for("answers per second", [r.throughput_per_s for r in results], may_be_log=False)
    y = svg.axis_for("latency, ms", heights)
    parts = []
    if report.knee is not None:
        at = x.x(report.results[report.knee].throughput_per_s)
        parts.append(f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{svg.TOP}" y2="{svg.HEIGHT - svg.BOTTOM}"/>')
        parts.append(svg.text(at - 6, svg.TOP + 12, "knee", "marktext", "end"))
    if limit:
        at = y.y(limit)
        parts.append(f'<line class="mark" x1="{svg.LEFT}" x2="{svg.WIDTH - svg.RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(svg.text(svg.LEFT + 6, at - 6, f"limit {limit:g} ms", "marktext", "start"))
    for percent, color, values in rows:
        points = [(x.x(r.throughput_per_s), y.y(v)) for r, v in zip(results, values)]
        parts.append(svg.line(points, color))
        for result, value, point in zip(results, values, points):
            told = f"{result.level}: {result.throughput_per_s:.1f} per s, p{percent:g} {value:.3f} ms"
            parts.append(svg.dot(*point, color, told))
    for result, value in zip(results, rows[-1][2]):
        parts.append(svg.text(x.x(result.throughput_per_s), y.y(value) - 10, f"{result.level.value:g}"))
    return svg.frame(x, y, "".join(parts), "Latency percentiles over throughput, one point a level")


def load_plot(report: Report) -> str:
    """Throughput by load, a point a level. Dashed: as if every further request were answered like the first."""
    results = [r for r in report.results if r.completed]
    is_open = results[0].level.is_open
    x = svg.axis_for(
        "requests per second asked for" if is_open else "requests in flight", [r.level.value for r in results]
    )
    y = svg.axis_for("answers per second", [r.throughput_per_s for r in results], may_be_log=False)
    each = 1.0 if is_open else results[0].throughput_per_s / results[0].level.value
    top = y.ticks[-1][0]
    start, end = results[0].level.value, min(results[-1].level.value, top / each)
    steps = [start * (max(end, start) / start) ** (i / 40) for i in range(41)]  # a curve where the axis is logarithmic
    parts = [svg.line([(x.x(v), y.y(min(v * each, top))) for v in steps], "var(--soft)", "line dashed")]
    points = [(x.x(r.level.value), y.y(r.throughput_per_s)) for r in results]
    parts.append(svg.line(points, "var(--p50)"))
    for result, point in zip(results, points):
        parts.append(svg.dot(*point, "var(--p50)", f"{result.level}: {result.throughput_per_s:.1f} per s"))
    return svg.frame(x, y, "".join(parts), "Throughput by load, one point a level")


def spectrum_plot(report: Report) -> str:
    """Latency by percentile, a line a level. Dashed: as measured, where the correction moves it."""
    results = [r for r in report.results if r.completed]
    last = 99.99 if max(r.completed for r in results) >= 10_000 else 99.9
    percents = [p for p in SPECTRUM if p <= last]
    lines = [(r, r.corrected.percentiles(percents), r.latency.percentiles(percents)) for r in results]
    x = svg.nines_axis("percentile of requests", last)
    y = svg.axis_for("latency, ms", [v for _, a, b in lines for v in (*a, *b)])
    parts = []
    for index, (result, fixed, plain) in enumerate(lines):
        color = level_color(index, len(lines))
        drawn = svg.line([(x.x(p), y.y(v)) for p, v in zip(percents, plain)], color, "line dashed")
        drawn += svg.line([(x.x(p), y.y(v)) for p, v in zip(percents, fixed)], color)
        parts.append(f"<g class='series'><title>{escape(str(result.level))}</title>{drawn}</g>")
    return svg.frame(x, y, "".join(parts), "Latency by percentile, one line a level")


def stages_plot(report: Report) -> str:
    """A bar a level: the mean latency, split into the server's stages and the rest. '' if the server does not say."""
    rows = [(r, stage_times(r)) for r in report.results if r.completed and r.server]
    if not rows:
        return ""
    x = svg.axis_for("mean, ms", [sum(times.values()) for _, times in rows], may_be_log=False)
    height = svg.TOP + ROW * len(rows) + svg.BOTTOM
    bottom = height - svg.BOTTOM
    parts = []
    for value, text in x.ticks:
        at = x.x(value)
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{svg.TOP}" y2="{bottom}"/>')
        parts.append(svg.text(at, bottom + 18, text, "tick"))
    for number, (result, times) in enumerate(rows):
        top = svg.TOP + number * ROW + (ROW - BAR) / 2
        parts.append(svg.text(svg.LEFT - 8, top + BAR / 2 + 4, f"{result.level.value:g}", "tick", "end"))
        done = 0.0
        for key, name, color in STAGES:
            told = f"{result.level}: {name} {times[key]:.3f} ms"
            start = x.x(done)
            done += times[key]
            parts.append(svg.bar(start, top, x.x(done) - start, BAR, color, told))
    parts.append(svg.text((svg.LEFT + svg.WIDTH - svg.RIGHT) / 2, height - 8, x.name, "name"))
    return svg.picture("".join(parts), svg.WIDTH, height, "Mean latency split by stage, one bar a level")


def stage_times(result: Result) -> dict[str, float]:
    """Means [ms] of the server's stages, the rest of the server and everything outside it."""
    own = result.server[0]
    outside = max(result.latency.mean() - own.request_ms, 0.0)
    return {**own.stages_ms, "other": own.other_ms, "client": outside}


def level_color(index: int, count: int) -> str:
    """From blue over violet to red with the load; light enough for dark pages, dark enough for white ones."""
    part = index / max(count - 1, 1)
    return f"hsl({215 + 150 * part:.0f} 62% {56 + 4 * math.sin(math.pi * part):.0f}%)"
