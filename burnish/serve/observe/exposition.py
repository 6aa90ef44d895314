"""Metrics as text, in Prometheus' format 0.0.4.

Not `prometheus-client`: it ends the name of every counter in `_total`, which Triton's names do not, so that dashboards
made for Triton would find nothing; and importing it takes 0.1 s of a server's start. Its parser is the oracle in tests.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"


@dataclass(slots=True)
class Family:
    """All values of one name. lines: of the page, without the name's help and type. Labels are `label_text`."""

    name: str
    kind: str
    help: str
    lines: list[str] = field(default_factory=list)

    def add(self, value: float, labels: str = "") -> None:
        braces = f"{{{labels}}}" if labels else ""
        self.lines.append(f"{self.name}{braces} {value if type(value) is int else format_number(value)}\n")

    def add_histogram(self, bounds: Sequence[str], below: Sequence[int], total: float, labels: str) -> None:
        """below: how many are at most as large as each bound; the last is of all. total: their sum."""
        start = f'{self.name}_bucket{{{labels},le="'
        self.lines += [f'{start}{bound}"}} {count}\n' for bound, count in zip(bounds, below)]
        self.lines += [
            f'{start}+Inf"}} {below[-1]}\n',
            f"{self.name}_sum{{{labels}}} {format_number(total)}\n",
            f"{self.name}_count{{{labels}}} {below[-1]}\n",
        ]


def label_text(**labels: str) -> str:
    return ",".join([f'{key}="{_escape(text)}"' for key, text in labels.items()])


def page(families: Iterable[Family]) -> bytes:
    """Families without a value are left out, as in Triton's page."""
    parts = []
    for family in families:
        if family.lines:
            told = family.help.replace("\\", r"\\").replace("\n", r"\n")
            parts.append(f"# HELP {family.name} {told}\n# TYPE {family.name} {family.kind}\n")
            parts += family.lines
    return "".join(parts).encode("utf-8", "replace")


def format_number(value: float) -> str:
    if isinstance(value, int) or (math.isfinite(value) and value == int(value) and abs(value) < 1e15):
        return str(int(value))
    if math.isnan(value):
        return "NaN"
    return repr(float(value)) if math.isfinite(value) else "+Inf" if value > 0 else "-Inf"


def _escape(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
