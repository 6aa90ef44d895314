"""A diagnosis as one HTML file that needs nothing else: the error along the graph, a histogram, the findings."""

from __future__ import annotations

import os
from html import escape

from burnish.doctor.finding import Diagnosis, Finding, Remedy
from burnish.doctor.plots import error_plot, histogram_plot
from burnish.perf.page.document import document, noted, tile
from burnish.plan import write_atomically

MOST_ROWS = 400


def write_page(found: Diagnosis, path: str | os.PathLike[str]) -> None:
    """Write the file. E403 if it cannot be written."""
    write_atomically(path, [html_text(found).encode()])


def html_text(found: Diagnosis) -> str:
    """The page."""
    title = f"{found.model}: accuracy of the {found.precision} plan"
    plots = [_card("Error along the graph", "Every tensor in memory, in order. The dashed line is what is usual there.",
        error_plot(found.rows))] if found.rows else []  # fmt: skip
    if found.picture is not None:
        about = f"Numbers of '{found.picture.tensor}', the tensor at which most error is made."
        plots.append(_card("The worst tensor", about, histogram_plot(found.picture)))
    findings = "".join(_finding(n, each) for n, each in enumerate(found.findings, 1))
    body = (
        f'<div class="plots">{"".join(plots)}</div>'
        + (f'<section class="card wide"><h2>What is wrong</h2>{findings}</section>' if findings else "")
        + (
            f'<section class="card wide"><h2>What mends it</h2>{_remedy(found.remedy)}</section>'
            if found.remedy
            else ""
        )
        + noted("To notice", found.notes)
        + f'<section class="card wide"><h2>Tensors</h2>{_table(found)}</section>'
    )
    return document(title, title, f"{escape(found.target)} &middot; {found.samples} samples", _tiles(found), body)


def percent(share: float) -> str:
    """An error for people."""
    if not share < float("inf"):
        return "not finite"
    return f"{share:.4%}" if share < 0.001 else f"{share:.2%}" if share < 1 else f"{share:.3g} times"


def _tiles(found: Diagnosis) -> list[str]:
    tiles = [
        tile(found.verdict, "verdict", not found.is_healthy),
        tile(percent(found.error), f"from f32; up to {percent(found.limit)} is usual", found.error > found.limit),
    ]
    if found.findings:
        tiles.append(tile(found.findings[0].layer, found.findings[0].cause.title, True))
    if found.remedy is not None:
        cost = f"{found.remedy.cost:+.1%} time; {len(found.remedy.layers)} rules"
        tiles.append(tile(percent(found.remedy.after), f"with the change: {cost}", not found.remedy.is_healed))
    return tiles


def _card(title: str, about: str, content: str) -> str:
    return f'<section class="card"><h2>{escape(title)}</h2><p class="hint">{escape(about)}</p>{content}</section>'


def _finding(number: int, found: Finding) -> str:
    made_of = f" (made of {', '.join(found.replaces)})" if found.replaces else ""
    lines = [found.evidence, found.cause.why]
    lines += [f"tensor '{found.tensor}'; to be raised to {found.precision}: {', '.join(found.raises)}"] * bool(
        found.raises
    )
    lines += [found.advice] * bool(found.advice)
    text = "<br>".join(map(escape, lines))
    head = f"{number}. {found.cause.title}: <code>{escape(found.layer)}</code>{escape(made_of)}"
    return f"<p><b>{head}</b><br>{text}</p>"


def _remedy(found: Remedy) -> str:
    rules = "".join(
        f"<li>{escape(str(rule['precision']))}: <code>{escape(', '.join(rule['nodes']))}</code></li>"
        for rule in found.layers
    )
    times = f"{found.after_ms:.4g} ms in place of {found.before_ms:.4g} ({found.cost:+.1%})"
    verb = "mends it" if found.is_healed else "helps, and does not mend it all"
    distance = f"{percent(found.before)} becomes {percent(found.after)}"
    return f"<ul>{rules}</ul><p>This {verb}: {distance}; a run takes {times}.</p>"


def _table(found: Diagnosis) -> str:
    rows = []
    for row in found.rows[:MOST_ROWS]:
        cells = f"<td>{percent(row.whole)}</td>"
        cells += f"<td{' class=bad' if row.made > row.limit else ''}>{percent(row.made)}</td>"
        names = f"<code>{escape(row.tensor)}</code> of {escape(', '.join(row.nodes) or 'a copy')}"
        names += "; what it reads cannot be kept" if row.is_blameless and row.made > row.limit else ""
        rows.append(f"<tr>{cells}<td>{percent(row.limit)}</td><td>{escape(row.dtype)}</td><td>{names}</td></tr>")
    head = "<tr><th>error</th><th>made there</th><th>usual up to</th><th>kept as</th><th>tensor</th></tr>"
    return f"<table><thead>{head}</thead><tbody>{''.join(rows)}</tbody></table>"
