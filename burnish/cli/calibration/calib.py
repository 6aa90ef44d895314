"""`burnish calib`: do samples stand for a model's data, and how do two sets of them differ?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from burnish.cli.calibration.calibrate import (
    Batch,
    CalibPreprocess,
    Maximum,
    Method,
    Minimum,
    Optimum,
    Shapes,
    bounds_of,
)
from burnish.cli.options import AsJson, Threads
from burnish.cli.output import note, print_facts, print_json, print_table
from burnish.cli.progress import progress

if TYPE_CHECKING:
    from burnish.calibration.reports.compare_samples import Comparison
    from burnish.calibration.reports.report_samples import CalibrationReport

app = typer.Typer(no_args_is_help=True, help="Say what calibration makes of samples, and how two sets of them differ.")
METHOD = "entropy"  # as for int8: reports count its steps
MOST_LINES = 40  # tensors on a terminal; the page and --json have all

_Model = Annotated[Path, typer.Argument(metavar="MODEL", help="The ONNX model.", show_default=False)]
_Page = Annotated[Path | None, typer.Option("--out", "-o", metavar="FILE", help="Also write an HTML page, with plots.")]


@app.command()
def report(
    model: _Model,
    data: Annotated[
        Path,
        typer.Option("--calib", "--data", metavar="DATA", help="Samples, as for burnish calibrate."),
    ],
    out: _Page = None,
    preprocess: CalibPreprocess = None,
    method: Method = None,
    shapes: Shapes = None,
    minimum: Minimum = None,
    optimum: Optimum = None,
    maximum: Maximum = None,
    batch: Batch = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Say whether the ranges have settled, what they clip, and which channels stand out."""
    from burnish.calibration import report as find
    from burnish.calibration import save_page

    bounds = bounds_of(shapes, minimum, optimum, maximum, batch)
    _check_place(out)
    with progress() as advance:
        found = find(
            model, data, method=method or METHOD, preprocess=preprocess, threads=threads, progress=advance, **bounds
        )
    if out is not None:
        save_page(found, out)
    if as_json:
        print_json(found.as_dict() | ({} if out is None else {"page": str(out)}))
        return
    _print_report(found, out)


@app.command()
def compare(
    model: _Model,
    data: Annotated[Path, typer.Argument(metavar="DATA", help="The samples to calibrate with.", show_default=False)],
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="The samples to judge.", show_default=False)],
    max_clipped: Annotated[
        str | None,
        typer.Option(
            "--max-clipped",
            metavar="SHARE",
            help="Fail with E750 if a tensor clips so much more of its numbers in OTHER than in DATA: 0.1%.",
        ),
    ] = None,
    out: _Page = None,
    preprocess: CalibPreprocess = None,
    method: Method = None,
    shapes: Shapes = None,
    minimum: Minimum = None,
    optimum: Optimum = None,
    maximum: Maximum = None,
    batch: Batch = None,
    threads: Threads = None,
    as_json: AsJson = False,
) -> None:
    """Name the tensors and channels that samples would clip if other ones gave the ranges."""
    from burnish.calibration import compare as find
    from burnish.calibration import save_page

    bounds = bounds_of(shapes, minimum, optimum, maximum, batch)
    _check_place(out)
    bounds |= {"max_clipped": max_clipped, "method": method or METHOD, "preprocess": preprocess, "threads": threads}
    with progress() as advance:
        found = find(model, data, other, progress=advance, **bounds)
    if out is not None:
        save_page(found, out)
    if not as_json:
        _print_comparison(found, out)
        found.check()
        return
    failure = found.failure
    more: dict[str, Any] = {} if out is None else {"page": str(out)}
    print_json(found.as_dict() | more | ({} if failure is None else {"error": failure.as_dict()}))
    if failure is not None:  # stdout holds one document
        note(str(failure))
        raise typer.Exit(failure.exit_code)


def _check_place(out: Path | None) -> None:
    """Before the work: can the page be written? E403"""
    from burnish.plan import check_place

    if out is not None:
        check_place(out)


def _print_report(found: CalibrationReport, out: Path | None) -> None:
    from burnish.calibration.reports.tensor_report import percent

    facts = {"samples": f"{found.samples}, method {found.method}", "ranges": found.verdict}
    if found.notes:
        facts["notes"] = "\n".join(found.notes)
    print_facts(facts | ({} if out is None else {"page": str(out)}))
    if not found.attention:
        note(f"nothing stands out in {len(found.tensors)} tensors")
        return
    rows = [
        (t.name, f"{t.low:.4g}", f"{t.high:.4g}", f"{t.kept.largest:.4g}", percent(t.clipped), t.settled, finding.text)
        for t in found.attention[:MOST_LINES]
        for finding in t.findings
    ]
    columns = ("tensor", "lowest>", "highest>", "kept>", "clipped>", "settled after>", "to notice")
    print_table(columns, _without_repeats(rows))
    _note_rest(len(found.attention))


def _print_comparison(found: Comparison, out: Path | None) -> None:
    from burnish.calibration.reports.tensor_report import percent

    samples = " and ".join(map(str, found.samples))
    facts = {"samples": f"{samples}, method {found.method}", "drift": found.verdict}
    if found.notes:
        facts["notes"] = "\n".join(found.notes)
    print_facts(facts | ({} if out is None else {"page": str(out)}))
    rows = [
        (
            t.name,
            percent(t.clipped_before),
            percent(t.clipped),
            f"{t.factor:.3g}",
            f"{t.distance:.3f}",
            t.told,
            t.told_channels,
        )
        for t in found.drifted[:MOST_LINES]
    ]
    if rows:
        columns = ("tensor", "clipped before>", "clipped>", "of the range>", "distance>", "to notice", "channels")
        print_table(columns, rows)
    _note_rest(len(found.drifted))


def _without_repeats(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """A tensor of several lines is named on the first one."""
    shown, before = [], None
    for row in rows:
        shown.append(row if row[0] != before else ("",) * (len(row) - 1) + row[-1:])
        before = row[0]
    return shown


def _note_rest(count: int) -> None:
    if count > MOST_LINES:
        note(f"{count - MOST_LINES} more tensors: --out FILE.html or --json has them")
