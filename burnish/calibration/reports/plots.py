"""A tensor's histogram with its range, and how the range came about, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from burnish.calibration.counting import FINE
from burnish.calibration.histogram import Array, Histogram
from burnish.calibration.reports.tensor_report import TensorReport
from burnish.perf.page import svg
from burnish.precision.ranges import Range

BARS = 120
COLORS = ("var(--p50)", "var(--p99)")
_HEIGHT, _BOTTOM = 240.0, 34.0


def histogram_plot(found: Sequence[Histogram], kept: Range, label: str) -> str:
    """Shares of numbers by value, of one data set or of several; heights are logarithmic. Dashed: the range's ends."""
    low = min(*(h.low for h in found), kept.ends[0] if kept.has_negative else 0.0)
    high = max(*(h.high for h in found), kept.ends[1])
    if not high > low:
        return ""
    rows = [bar_counts(h, low, high) / max(h.count - h.bad, 1) for h in found]
    least = min(1 / max(h.count, 1) for h in found)
    top = max(float(row.max()) for row in rows) or 1.0
    span = max(math.log10(top / least), 1.0)
    bottom = _HEIGHT - _BOTTOM

    def x(value: float) -> float:
        return svg.LEFT + (value - low) / (high - low) * (svg.WIDTH - svg.LEFT - svg.RIGHT)

    width = x(low + (high - low) / BARS) - x(low)
    parts = []
    for row, color in zip(rows, COLORS):
        for place in np.flatnonzero(row):
            share = float(row[place])
            height = (0.05 + 0.95 * math.log10(share / least) / span) * (bottom - svg.TOP)
            start = low + (high - low) * place / BARS
            told = f"{start:.4g} to {start + (high - low) / BARS:.4g}: {100 * share:.3g} %"
            parts.append(svg.bar(x(start), bottom - height, width * 0.9, height, color, told))
    opacity = f'<g opacity="{1 if len(found) == 1 else 0.6}">{"".join(parts)}</g>'
    return svg.picture(opacity + _ends(kept, low, high, x) + _ticks(low, high, x), svg.WIDTH, _HEIGHT, label)


def bar_counts(found: Histogram, low: float, high: float) -> Array:
    """The numbers in BARS bins of equal width from low to high; a fine bin that an edge cuts is shared out by width."""
    summed = np.concatenate([[0], np.cumsum(found.counts)]).astype(np.float64)
    edges = np.linspace(low, high, BARS + 1)
    places = edges * (FINE / found.reach) if found.reach else np.zeros(BARS + 1)
    rows = np.diff(np.interp(places, np.arange(-FINE, FINE + 1), summed))
    zero = min(int(np.searchsorted(edges, 0.0, side="right")) - 1, BARS - 1)
    if zero >= 0:
        rows[zero] += found.zeros
    return rows


def coverage_plot(found: TensorReport) -> str:
    """The largest magnitude and the kept one after so many samples."""
    if len(found.steps) < 2:
        return ""
    x = svg.axis_for("samples", [s.samples for s in found.steps])
    y = svg.axis_for("magnitude", [s.largest for s in found.steps], may_be_log=False)
    kept = [s for s in found.steps if s.kept is not None]
    at = x.x(found.settled)
    parts = [
        f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{svg.TOP}" y2="{svg.HEIGHT - svg.BOTTOM}"/>',
        svg.text(at - 6, svg.TOP + 12, f"{found.settled}", "marktext", "end"),
        svg.line([(x.x(s.samples), y.y(s.largest)) for s in found.steps], "var(--soft)"),
        svg.line([(x.x(s.samples), y.y(s.kept or 0.0)) for s in kept], COLORS[0]),
        *(svg.dot(x.x(s.samples), y.y(s.kept or 0.0), COLORS[0], f"{s.samples}: {s.kept:.4g}") for s in kept),
    ]
    return svg.frame(x, y, "".join(parts), f"The range of {found.name} by the number of samples")


def _ends(kept: Range, low: float, high: float, x: object) -> str:
    assert callable(x)
    parts = []
    for end in kept.ends:
        if end and low <= end <= high:
            at, anchor = x(end), "end" if end > 0 else "start"
            line = f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{svg.TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
            parts += [line, svg.text(at - 6 if end > 0 else at + 6, svg.TOP + 10, f"{end:.4g}", "marktext", anchor)]
    return "".join(parts)


def _ticks(low: float, high: float, x: object) -> str:
    assert callable(x)
    step = svg.nice_step(high - low)
    values = [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]
    return "".join(svg.text(x(v), _HEIGHT - _BOTTOM + 18, f"{v:.4g}", "tick") for v in values)
