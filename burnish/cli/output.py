"""Results go to stdout: JSON for programs, tables for people. Everything else goes to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

PIPED_COLUMNS = 10_000  # used if there is no terminal with a known width: never fold lines


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str = "") -> None:
    """Columns whose name ends in `>` are right-aligned."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.rstrip(">"), justify="right" if column.endswith(">") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console(highlight=False, width=None if sys.stdout.isatty() else PIPED_COLUMNS).print(table)


def print_facts(facts: Mapping[str, object]) -> None:
    """`name  value`, one a line."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        lines = str(value).splitlines() or [""]
        print(f"{name:<{width}}  {lines[0]}")
        for line in lines[1:]:
            print(f"{'':<{width}}  {line}")


def note(text: str) -> None:
    """A line for people, on stderr."""
    print(text, file=sys.stderr)


def format_bytes(size: int) -> str:
    """98.4 MiB, 12.0 KiB, 17 B."""
    for unit, scale in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size} B"


def _cell(value: object) -> str:
    from rich.markup import escape

    return escape(f"{value:.3f}" if isinstance(value, float) else str(value))


def _plain(value: Any) -> Any:
    """Convert values that json does not know: numpy's numbers, paths."""
    if isinstance(value, Path):
        return str(value)
    return value.item() if hasattr(value, "item") else str(value)
