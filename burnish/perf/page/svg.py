"""Axes, lines and bars as SVG. Colours and fonts come from the page's style sheet by class."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 720.0, 380.0
LEFT, RIGHT, TOP, BOTTOM = 66.0, 26.0, 18.0, 52.0
LOG_FROM = 15.0  # an axis whose largest value is so many times its smallest becomes logarithmic


@dataclass(frozen=True, slots=True)
class Axis:
    """place: from a value to 0 .. 1; ticks: value and text."""

    name: str
    place: Callable[[float], float]
    ticks: Sequence[tuple[float, str]]

    def x(self, value: float) -> float:
        return LEFT + self.place(value) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - self.place(value) * (HEIGHT - TOP - BOTTOM)


def axis_for(name: str, values: Sequence[float], may_be_log: bool = True) -> Axis:
    """From zero, or logarithmic where the values span more than LOG_FROM."""
    low, high = min(values, default=1.0), max(values, default=1.0)
    if may_be_log and low > 0 and high / low > LOG_FROM:
        return _log_axis(name, low, high)
    step = nice_step(high)
    top = max(math.ceil(high / step), 1) * step
    count = round(top / step)
    return Axis(name, lambda v: v / top, [(i * step, number(i * step)) for i in range(count + 1)])


def nice_step(high: float) -> float:
    """1, 2 or 5 times a power of ten, so that four to eight steps reach the value."""
    if high <= 0:
        return 1.0
    unit = float(10.0 ** math.floor(math.log10(high / 4)))
    return next(unit * factor for factor in (1, 2, 5, 10) if high / (unit * factor) <= 8)


def _log_axis(name: str, low: float, high: float) -> Axis:
    first, last = math.floor(math.log10(low) * 3 + 0.01) / 3, math.ceil(math.log10(high) * 3 - 0.01) / 3
    span = max(last - first, 1e-9)
    marks = [m * 10.0**e for e in range(math.floor(first), math.ceil(last) + 1) for m in (1, 2, 5)]
    if len(marks) > 15:
        marks = [10.0**e for e in range(math.floor(first), math.ceil(last) + 1)]
    shown = [v for v in marks if first - 1e-9 <= math.log10(v) <= last + 1e-9]
    return Axis(name, lambda v: (math.log10(max(v, 1e-12)) - first) / span, [(v, number(v)) for v in shown])


def nines_axis(name: str, last: float = 99.99) -> Axis:
    """Percentiles so that each further nine has the same room."""
    end = -math.log10(1 - last / 100)

    def place(percent: float) -> float:
        return min(-math.log10(max(1 - percent / 100, 1e-12)) / end, 1.0)

    marks = [p for p in (0, 50, 90, 99, 99.9, 99.99) if p <= last]
    return Axis(name, place, [(p, f"{p:g} %") for p in marks])


def number(value: float) -> str:
    """At most three significant digits, thousands as k."""
    if value >= 1e6:
        return f"{value / 1e6:.3g}M"
    return f"{value / 1e3:.3g}k" if value >= 1e4 else f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def frame(x: Axis, y: Axis, content: str, label: str) -> str:
    """A plot: grid, ticks and names of the axes, and what is drawn in them. label: for readers who do not see it."""
    parts = []
    for value, text in y.ticks:
        at = y.y(value)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text class="tick" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{text}</text>')
    for value, text in x.ticks:
        at = x.x(value)
        bottom = HEIGHT - BOTTOM
        parts.append(f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}"/>')
        parts.append(f'<text class="tick" x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{text}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text class="name" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x.name)}</text>')
    height = (TOP + HEIGHT - BOTTOM) / 2
    turned = f'transform="translate(16 {height}) rotate(-90)"'
    parts.append(f'<text class="name" {turned} text-anchor="middle">{escape(y.name)}</text>')
    return picture("".join(parts) + content, WIDTH, HEIGHT, label)


def picture(content: str, width: float, height: float, label: str) -> str:
    head = f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(label)}">'
    return f"{head}{content}</svg>"


def line(points: Sequence[tuple[float, float]], color: str, kind: str = "line") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{path}" style="stroke:{color}"/>'


def dot(x: float, y: float, color: str, told: str, radius: float = 4.5) -> str:
    """A point; the text shows where the pointer rests on it."""
    place = f'cx="{x:.1f}" cy="{y:.1f}" r="{radius}"'
    return f'<circle class="dot" {place} style="fill:{color}"><title>{escape(told)}</title></circle>'


def text(x: float, y: float, content: str, kind: str = "note", anchor: str = "middle") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(content)}</text>'


def bar(x: float, y: float, width: float, height: float, color: str, told: str) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{height:.1f}"'
    return f'<rect class="bar" {place} style="fill:{color}"><title>{escape(told)}</title></rect>'
