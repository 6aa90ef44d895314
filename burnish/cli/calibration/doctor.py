"""`burnish doctor accuracy`: where a plan's error enters, why, and the smallest change that mends it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from burnish.cli.calibration.calibrate import CalibPreprocess
from burnish.cli.options import AsJson, Device, Threads
from burnish.cli.output import note, print_facts, print_json, print_table
from burnish.cli.progress import progress
from burnish.errors import UserError

if TYPE_CHECKING:
    from burnish.doctor import Diagnosis, Remedy

app = typer.Typer(no_args_is_help=True, help="Say why a plan's answers are far from its model's, and mend it.")
SHOWN = 6  # boundaries on the terminal; the page has all


@app.callback()
def _doctor() -> None:
    """A group, though it has one command."""


@app.command()
def accuracy(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="The model that the plan was built from.", show_default=False)
    ],
    plan: Annotated[Path, typer.Argument(metavar="PLAN", help="The plan.", show_default=False)],
    data: Annotated[
        Path, typer.Option("--data", help="Samples: .npz, .npy, .csv, .wav, an image, or a folder of them.")
    ],
    reference: Annotated[
        Path | None, typer.Option("--reference", help="The f32 model that a quantised MODEL was made from.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Also write a page: FILE.html.")] = None,
    fix: Annotated[
        Path | None,
        typer.Option("--fix", metavar="FILE", help="Write what mends the plan, for build --precision-config."),
    ] = None,
    preprocess: CalibPreprocess = None,
    threads: Threads = None,
    device: Device = None,
    as_json: AsJson = False,
) -> None:
    """Run a plan launch by launch beside its f32 model: find where error enters, its cause, and what mends it."""
    from burnish.doctor import diagnose, write_fix, write_page

    with progress() as advance:
        found = diagnose(
            model,
            plan,
            data,
            reference=reference,
            preprocess=preprocess,
            threads=threads,
            device=device,
            progress=advance,
        )
    if out is not None:
        write_page(found, out)
    if fix is not None and found.findings:
        if found.remedy is None:
            raise _no_fix(found)
        write_fix(found, fix)
    if as_json:
        print_json(found.as_dict() | {"fix": str(fix) if fix is not None and found.findings else None})
        return
    _print(found)
    if fix is not None:
        note(
            f"burnish build MODEL --precision-config {fix}" if found.findings else "nothing to mend: no file is written"
        )


def _print(found: Diagnosis) -> None:
    from burnish.doctor.page import percent

    worst = max(found.outputs, key=lambda name: found.outputs[name], default="")
    facts = {
        "plan": f"{found.model}, {found.precision}, {found.target}",
        "distance": f"{percent(found.error)} of output '{worst}' (root mean square, {found.samples} samples); "
        f"up to {percent(found.limit)} is usual for this precision",
        "verdict": found.verdict,
    }
    print_facts(facts)
    for line in found.notes:
        note(line)
    for number, each in enumerate(found.findings, 1):
        of = f" (made of {', '.join(each.replaces)})" if each.replaces else ""
        print(f"\n{number}. {each.cause.title}: {each.layer}{of}")
        print(f"   {each.evidence}")
        print(f"   {each.cause.why}")
        if each.raises:
            print(f"   tensor '{each.tensor}'; to be raised to {each.precision}: {', '.join(each.raises)}")
        if each.advice:
            print(f"   {each.advice}")
    if found.remedy is not None:
        print(f"\n{_remedy(found.remedy)}")
    if not found.is_healthy:
        print()
        rows = sorted(found.rows, key=lambda row: (row.is_blameless, -row.made / row.limit))[:SHOWN]
        table = ((r.tensor, r.dtype, percent(r.whole), percent(r.made), percent(r.limit)) for r in rows)
        print_table(("tensor", "kept as", "error>", "made there>", "usual up to>"), table)


def _remedy(found: Remedy) -> str:
    from burnish.doctor.page import percent

    names = ", ".join(f"{', '.join(rule['nodes'])} in {rule['precision']}" for rule in found.layers)
    verb = "mends it" if found.is_healed else "helps, and does not mend it all"
    return (
        f"{names}: this {verb}: {percent(found.before)} becomes {percent(found.after)}; "
        f"a run takes {found.after_ms:.4g} ms in place of {found.before_ms:.4g} ({found.cost:+.1%})"
    )


def _no_fix(found: Diagnosis) -> UserError:
    first = found.findings[0]
    return UserError(
        "E760",
        "no precision of a layer mends this plan",
        where=f"{first.layer}: {first.cause.title}",
        why=first.evidence,
        hint=first.advice or "see what the doctor says without --fix",
    )
