"""What every page of Burnish is made of: the document, its tiles, and the keys of a plot."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from burnish.perf.page.style import STYLE


def document(title: str, heading: str, facts: str, tiles: Iterable[str], body: str, style: str = "") -> str:
    """A page that needs nothing else. facts, body: HTML; style: rules of this page alone"""
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{STYLE}{style}</style></head><body><main>'
        f'<h1>{escape(heading)}</h1><p class="facts">{facts}</p><div class="tiles">{"".join(tiles)}</div>'
        f"{body}</main></body></html>\n"
    )


def tile(figure: str, told: str, is_bad: bool = False) -> str:
    """A figure and what it says."""
    return f'<div class="tile{" bad" if is_bad else ""}"><b>{escape(figure)}</b><span>{escape(told)}</span></div>'


def legend(entries: Iterable[tuple[str, str]]) -> str:
    """The keys of a plot: colour and text. Empty without entries."""
    keys = "".join(f'<span><i style="background:{color}"></i>{escape(text)}</span>' for color, text in entries)
    return f'<div class="legend">{keys}</div>' if keys else ""


def noted(heading: str, notes: Iterable[str]) -> str:
    """A section with a list; empty without notes."""
    listed = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f'<section class="card wide"><h2>{escape(heading)}</h2><ul>{listed}</ul></section>' if listed else ""
