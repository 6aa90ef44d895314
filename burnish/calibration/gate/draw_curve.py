"""The curve of error against time as an SVG picture, or as a page that holds it: no script, no other file."""

from __future__ import annotations

import html
import math
from collections.abc import Sequence

from burnish.calibration.gate.budget import Budget, parse_budgets
from burnish.calibration.gate.metrics import cosine
from burnish.precision.accuracy import Accuracy, CurvePoint

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 400, 70, 20, 40, 50
LEAST, MOST = 1e-3, 1e3  # of the error's share of the budget that the axis shows
STYLE = "font:12px sans-serif;fill:#333"


def draw_curve(accuracy: Accuracy, title: str = "") -> str:
    """An <svg>: each choice that was measured, error as a share of the budget, and the budget as a line.

    Of several budgets the one that is used most counts. A title over each point says its layers and numbers.
    raises: E726 for a budget that this version does not know
    """
    points = accuracy.curve or (CurvePoint(0, 0.0, tuple(b.found for b in accuracy.budgets)),)
    shares = [min(max(_share(accuracy, p.found), LEAST), MOST) for p in points]
    low, high = min(p.ms for p in points), max(p.ms for p in points)
    floor, ceiling = math.floor(math.log10(min(*shares, 1.0))), math.ceil(math.log10(max(*shares, 1.0)) + 1e-9) or 1
    room = (high - low) * 0.05 or max(high, 1e-3) * 0.1
    low, high = max(low - room, 0.0), high + room

    def place(ms: float, share: float) -> tuple[float, float]:
        x = LEFT + (ms - low) / (high - low) * (WIDTH - LEFT - RIGHT)
        y = TOP + (ceiling - math.log10(share)) / (ceiling - floor) * (HEIGHT - TOP - BOTTOM)
        return round(x, 1), round(y, 1)

    placed = [(*place(p.ms, share), p) for p, share in zip(points, shares, strict=True)]
    parts = [*_axes(place, low, high, floor, ceiling), _line(place, low, high), _front(placed)]
    parts += [_point(x, y, p, accuracy) for x, y, p in placed]
    head = html.escape(title or ", ".join(b.budget for b in accuracy.budgets))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
            f'<text x="{LEFT}" y="24" style="font:bold 14px sans-serif;fill:#333">{head}</text>',
            *parts,
            "</svg>\n",
        ]
    )


def as_page(svg: str, title: str) -> str:
    """A small HTML page that shows the picture."""
    head = f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title></head>'
    return f"{head}\n<body>\n{svg}</body></html>\n"


def _share(accuracy: Accuracy, found: Sequence[float]) -> float:
    """The error as a share of what is allowed, of the budget that is used most; of a limit of 0 the error itself."""
    return max(_used(judged.budget, value) for judged, value in zip(accuracy.budgets, found, strict=True))


def _used(word: str, value: float) -> float:
    name, _, limit = word.rpartition("=")
    is_function = name.endswith("()") or ".py:" in name  # of which a plan keeps no code: the less the better
    budget = Budget(name, cosine, float(limit)) if is_function else parse_budgets(word).each[0]
    allowed = budget.error(budget.limit)
    return budget.error(value) / allowed if allowed > 0 else budget.error(value) + 1


def _axes(place: object, low: float, high: float, floor: int, ceiling: int) -> list[str]:
    assert callable(place)
    bottom, found = HEIGHT - BOTTOM, list[str]()
    for power in range(floor, ceiling + 1):
        _, y = place(low, 10.0**power)
        found.append(f'<line x1="{LEFT}" y1="{y}" x2="{WIDTH - RIGHT}" y2="{y}" stroke="#ddd"/>')
        found.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end" style="{STYLE}">{10.0**power:g}</text>')
    for step in range(5):
        ms = low + (high - low) * step / 4
        x, _ = place(ms, 1.0)
        found.append(f'<text x="{x}" y="{bottom + 18}" text-anchor="middle" style="{STYLE}">{ms:.3g}</text>')
    middle = (LEFT + WIDTH - RIGHT) // 2
    found.append(f'<text x="{middle}" y="{HEIGHT - 8}" text-anchor="middle" style="{STYLE}">time of a run, ms</text>')
    across = f"rotate(-90 16 {(TOP + bottom) // 2})"
    place_at = f'x="16" y="{(TOP + bottom) // 2}" text-anchor="middle" transform="{across}" style="{STYLE}"'
    found.append(f"<text {place_at}>error, as a share of the budget</text>")
    return found


def _line(place: object, low: float, high: float) -> str:
    assert callable(place)
    (left, y), (right, _) = place(low, 1.0), place(high, 1.0)
    return f'<line x1="{left}" y1="{y}" x2="{right}" y2="{y}" stroke="#c00" stroke-dasharray="6 4"/>'


def _front(placed: Sequence[tuple[float, float, CurvePoint]]) -> str:
    """The line through the choices that no other one beats in both."""
    best, corners = math.inf, list[str]()
    for x, y, _ in sorted(placed, key=lambda each: (each[0], -each[1])):
        if -y < best:
            best = -y
            corners.append(f"{x},{y}")
    return f'<polyline points="{" ".join(corners)}" fill="none" stroke="#888"/>'


def _point(x: float, y: float, point: CurvePoint, accuracy: Accuracy) -> str:
    words = [f"{point.raised} layers raised, {point.ms:.3f} ms"]
    words += [f"{b.budget}: {value:.4g}" for b, value in zip(accuracy.budgets, point.found, strict=True)]
    return f'<circle cx="{x}" cy="{y}" r="5" fill="#06c"><title>{html.escape("; ".join(words))}</title></circle>'
