"""The pictures of a diagnosis, as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence

from burnish.doctor.finding import Picture, Row
from burnish.perf.page import svg
from burnish.perf.page.document import legend
from burnish.perf.page.svg import Axis

WHOLE, MADE = "var(--p50)", "var(--accent)"
LEAST = 1e-7  # what is nearer is drawn there


def error_plot(rows: Sequence[Row]) -> str:
    """The error at each boundary, and the error that its launch makes; what is not finite lies at the top."""
    finite = [v for row in rows for v in (row.whole, row.made, row.limit) if math.isfinite(v)]
    top = 10 * max([1.0, *finite])

    def height(value: float) -> float:
        return max(value, LEAST) if math.isfinite(value) else top

    values = [height(v) for row in rows for v in (row.whole, row.made, row.limit)]
    x = _linear("launch", 0.0, max(len(rows) - 1, 1))
    y = svg.axis_for("error", [min(values), max(*values, 20 * min(values))])
    parts = [
        svg.line([(x.x(n), y.y(height(row.limit))) for n, row in enumerate(rows)], "var(--soft)", "line dashed"),
        svg.line([(x.x(n), y.y(height(row.whole))) for n, row in enumerate(rows)], WHOLE),
        svg.line([(x.x(n), y.y(height(row.made))) for n, row in enumerate(rows)], MADE),
    ]
    for n, row in enumerate(rows):
        told = f"{row.tensor}: {row.whole:.3g}, made there {row.made:.3g}, usual up to {row.limit:g}"
        parts.append(svg.dot(x.x(n), y.y(height(row.made)), MADE if row.made > row.limit else WHOLE, told, 3.5))
    keys = legend([(WHOLE, "error of the plan"), (MADE, "made by this launch alone")])
    return svg.frame(x, y, "".join(parts), "The error of each tensor along the graph") + keys


def histogram_plot(found: Picture) -> str:
    """How often numbers occur, in f32 and in the plan, on a logarithmic scale; the range of the codes is marked."""
    x = _linear("number", found.edges[0], found.edges[-1])
    most = max(*found.exact, *found.plan, 20)
    y = svg.axis_for("count", [0.5, float(most)])
    parts = []
    for counts, color, what in ((found.exact, WHOLE, "f32"), (found.plan, MADE, "plan")):
        points: list[tuple[float, float]] = []
        for low, high, count in zip(found.edges, found.edges[1:], counts):
            at = y.y(max(float(count), 0.5))
            points += [(x.x(low), at), (x.x(high), at)]
        parts.append(f'<g class="series"><title>{what}</title>{svg.line(points, color)}</g>')
    for end in (found.low, found.high):
        if end is not None and found.edges[0] <= end <= found.edges[-1]:
            at = x.x(end)
            parts.append(
                f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{svg.TOP}" y2="{svg.HEIGHT - svg.BOTTOM}"/>'
            )
    keys = [(WHOLE, "f32 model"), (MADE, "plan")]
    if found.low is not None and found.high is not None:
        keys.append(("transparent", f"range of the codes: {found.low:.4g} to {found.high:.4g}"))
    return svg.frame(x, y, "".join(parts), f"Histogram of {found.tensor}") + legend(keys)


def _linear(name: str, low: float, high: float) -> Axis:
    """An axis between two numbers, which may be negative."""
    span = high - low or 1.0
    step = svg.nice_step(span)
    first = math.ceil(low / step - 1e-9)
    count = math.floor(high / step + 1e-9) - first + 1
    ticks = [((first + n) * step, f"{(first + n) * step:.4g}") for n in range(count)]
    return Axis(name, lambda value: (value - low) / span, ticks)
