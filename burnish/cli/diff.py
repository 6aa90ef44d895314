"""`burnish diff`: what differs between two plans."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from burnish.cli.options import AsJson
from burnish.cli.output import note, print_json


def diff(
    old: Annotated[Path, typer.Argument(metavar="PLAN", help="The first plan.", show_default=False)],
    new: Annotated[Path, typer.Argument(metavar="OTHER", help="The second plan.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show what differs between two plans. The exit code is 1 if anything does."""
    from burnish.plan import open_plan
    from burnish.plan.difference import difference

    found = difference(open_plan(old), open_plan(new))
    if as_json:
        print_json({"equal": not found, "changes": [asdict(change) for change in found]})
    section = ""
    for change in () if as_json else found:
        if change.section != section:
            print(change.section)
        section = change.section
        print(f"  {change.name}" if change.name else "  -")
        for sign, text in (("-", change.old), ("+", change.new)):
            if text:
                print(f"    {sign} {text}")
    note(f"{len(found)} differences" if len(found) != 1 else "1 difference")
    if found:
        raise typer.Exit(1)
