"""What tritonserver says once it has started, for scripts that wait for these lines."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING

from burnish.cli.serve.show_start import address

if TYPE_CHECKING:
    from burnish.serve.app.started import Started


def start_messages(where: Started) -> list[str]:
    """The table of models, and a line for each service."""
    rows = [
        (m.name, m.version, f"{m.state}: {m.reason.strip()}" if m.reason.strip() else m.state) for m in where.models
    ]
    found = ["\n" + box(("Model", "Version", "Status"), rows)]
    if where.grpc is not None:
        found.append(f"Started GRPCInferenceService at {address(where.grpc_host, where.grpc)}")
    if where.http is not None:
        found.append(f"Started HTTPService at {address(where.host, where.http)}")
    if where.metrics is not None:
        found.append(f"Started Metrics Service at {address(where.metrics_host, where.metrics)}")
    return found


def box(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in a frame; a cell of several lines takes several lines."""
    cells = [[text.splitlines() or [""] for text in row] for row in rows]
    widths = [
        max(len(line) for line in [name, *(line for row in cells for line in row[column])])
        for column, name in enumerate(columns)
    ]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"

    def line(texts: Sequence[str]) -> str:
        return "|" + "|".join(f" {text:<{width}} " for text, width in zip(texts, widths, strict=True)) + "|"

    lines = [rule, line(columns), rule]
    for row in cells:
        lines += map(line, zip_longest(*row, fillvalue=""))
    return "\n".join([*lines, rule])
