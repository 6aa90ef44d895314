"""Both reports as one HTML file that needs nothing else: no script, no font, no host."""

from __future__ import annotations

import os
from collections.abc import Sequence
from html import escape

from burnish.calibration.reports.compare_samples import Comparison
from burnish.calibration.reports.plots import COLORS, coverage_plot, histogram_plot
from burnish.calibration.reports.report_samples import CalibrationReport
from burnish.calibration.reports.tensor_drift import TensorDrift
from burnish.calibration.reports.tensor_report import MOST_TOLD, TensorReport, percent
from burnish.perf.page.document import document, legend, noted, tile
from burnish.plan import write_atomically

_WRAP = "td:last-child { white-space: normal; min-width: 26em; } td:first-child, th:first-child { text-align: left; }"
MOST_DRAWN = 200  # tensors with pictures: a page of a thousand is slow to open


def save_page(found: CalibrationReport | Comparison, path: str | os.PathLike[str]) -> None:
    """Write a report as a page. E403 if it cannot be written."""
    text = report_page(found) if isinstance(found, CalibrationReport) else comparison_page(found)
    write_atomically(path, [text.encode()])


def report_page(found: CalibrationReport) -> str:
    """What needs attention comes first, then the other tensors in the order of the graph."""
    shown = [*found.attention, *(t for t in found.tensors if not t.findings)]
    tiles = (
        (f"{found.samples:,}", "samples", False),
        (f"{len(found.settled)} of {len(found.tensors)}", "ranges had settled by half of them", not found.has_settled),
        (f"{found.needed:,}", "samples after which no range moved by 1 %", False),
        (f"{len(found.attention)}", "tensors that need attention", bool(found.attention)),
    )
    columns = ("tensor", "lowest", "highest", "range", "clipped", "settled after", "codes in use", "to notice")
    rows = [_report_row(t) for t in shown]
    cards = [_report_card(t) for t in shown[:MOST_DRAWN]]
    title, facts = f"{found.model}: calibration", f"{found.method} | {found.verdict}"
    return _page(title, facts, found.notes, tiles, columns, rows, cards)


def comparison_page(found: Comparison) -> str:
    """The tensors that clip most come first, then those that fill little of their ranges, then the others."""
    drifted = {id(t) for t in found.drifted}
    shown = [*found.drifted, *(t for t in found.tensors if id(t) not in drifted)]
    clipping = [t for t in found.drifted if t.excess > 0]
    allowed = "any" if found.max_clipped is None else percent(found.max_clipped)
    tiles = (
        (f"{found.samples[0]:,}", "samples of the first data", False),
        (f"{found.samples[1]:,}", "samples of the second data", False),
        (f"{len(clipping)}", "tensors clip more in the second data", bool(clipping)),
        (
            percent(clipping[0].excess) if clipping else "0 %",
            f"more at most; allowed: {allowed}",
            not found.is_accepted,
        ),
    )
    columns = ("tensor", "range", "reaches", "clipped before", "clipped", "distance", "to notice")
    rows = [_drift_row(t) for t in shown]
    cards = [_drift_card(t) for t in shown[:MOST_DRAWN]]
    title, facts = f"{found.model}: two data sets", f"{found.method} | {found.verdict}"
    return _page(title, facts, found.notes, tiles, columns, rows, cards)


def _report_row(t: TensorReport) -> tuple[str, ...]:
    kept = f"{t.kept.ends[0]:.4g} to {t.kept.ends[1]:.4g}"
    told = "; ".join(f.text for f in t.findings)
    return (t.name, f"{t.low:.4g}", f"{t.high:.4g}", kept, percent(t.clipped), f"{t.settled:,}", f"{t.codes}", told)


def _report_card(t: TensorReport) -> str:
    worst = [f"channel {c.channel}: {percent(c.share)} clipped, {c.factor:.3g} of the range" for c in t.clipping]
    worst += [f"channel {c.channel}: {c.factor:.3g} times the median channel" for c in t.outliers]
    hint = f"read by {', '.join(t.readers)}; {t.kept.codes} of scale {t.kept.scale:.4g}"
    plots = histogram_plot([t.histogram], t.kept, f"Histogram of {t.name}") + coverage_plot(t)
    keys = (("largest magnitude so far", "var(--soft)"), ("kept by the range so far", COLORS[0]))
    return _card(t.name, hint, [f.text for f in t.findings], worst, plots, keys if len(t.steps) > 1 else ())


def _drift_row(t: TensorDrift) -> tuple[str, ...]:
    kept, reached = f"{t.kept.ends[0]:.4g} to {t.kept.ends[1]:.4g}", f"{t.other_ends[0]:.4g} to {t.other_ends[1]:.4g}"
    return (t.name, kept, reached, percent(t.clipped_before), percent(t.clipped), f"{t.distance:.3f}", t.told)


def _drift_card(t: TensorDrift) -> str:
    worst = [
        f"channel {c.channel}: {percent(c.clipped)} clipped, {percent(c.clipped_before)} before; it reaches "
        f"{c.factor:.3g} times as far"
        for c in t.channels
    ]
    keys = (("first data", COLORS[0]), ("second data", COLORS[1]))
    plots = histogram_plot(t.histograms, t.kept, f"Histograms of {t.name}")
    return _card(t.name, f"read by {', '.join(t.readers)}", [t.told] if t.told else [], worst, plots, keys)


def _card(
    name: str, hint: str, told: Sequence[str], worst: Sequence[str], plots: str, keys: Sequence[tuple[str, str]]
) -> str:
    lines = [*told, *worst[:MOST_TOLD]]
    listed = f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""
    head = f'<h2><code>{escape(name)}</code></h2><p class="hint">{escape(hint)}</p>'
    return f'<section class="card">{head}{plots}{legend(keys)}{listed}</section>'


def _page(
    title: str,
    facts: str,
    notes: Sequence[str],
    tiles: Sequence[tuple[str, str, bool]],
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    cards: Sequence[str],
) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in columns)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    parts = (
        f'{noted("Notes", notes)}<section class="card wide"><h2>Tensors</h2>{table}</section>'
        f'<div class="plots" style="margin-top:14px">{"".join(cards)}</div>'
    )
    return document(title, title, escape(facts), (tile(*each) for each in tiles), parts, _WRAP)
