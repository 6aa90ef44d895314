"""`burnish tritonserver`: Triton's own command line, flag by flag, so that a deployment changes one word."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import typer

from burnish.cli.output import note
from burnish.cli.serve import demand_packages
from burnish.cli.tritonserver.flags import NOTED, REFUSED, SWITCHED, SWITCHES, VALUES
from burnish.cli.tritonserver.read_flags import read_flags
from burnish.errors import UserError

if TYPE_CHECKING:
    from burnish.serve.app.options import ServeOptions
    from burnish.serve.app.started import Started

__all__ = ["tritonserver"]

log = logging.getLogger("burnish.serve")


def tritonserver(context: typer.Context) -> None:
    """Take tritonserver's own flags: --model-repository=FOLDER --http-port=8000 --model-control-mode=explicit ..."""
    given = read_flags(context.args)
    if not context.args or "help" in given.values:
        print(help_text())
        return
    for line in given.notes:
        note(line)
    demand_packages()
    from burnish.cli.tritonserver.options import options_of

    options = options_of(given)
    for place in options.server.repositories:
        if not place.is_dir():
            raise UserError("E640", f"there is no model repository {place}", hint="give a folder of model folders")
    if _run(options):
        raise typer.Exit(1)


def _run(options: ServeOptions) -> int:
    """The exit status: 1 if a model could not be loaded and --exit-on-error holds, as Triton's."""
    from burnish.cli.tritonserver.show_start import start_messages
    from burnish.serve.app.run import run

    def started(where: Started, failed: list[str]) -> None:
        for message in start_messages(where):
            note(message)
        if failed and options.server.exit_on_error:
            note("error: creating server: Internal - failed to load all models")

    return run(options, started)


def help_text() -> str:
    """Every flag, with its effect here."""
    lines = ["Usage: burnish tritonserver --model-repository=FOLDER [flags]", ""]
    lines += [f"  {'--' + name + ('' if name in SWITCHES else ' ...'):<42} {text}" for name, text in VALUES.items()]
    lines += ["", "Accepted, and change nothing: " + " ".join(f"--{name}" for name in NOTED)]
    refused = [*(f"--{name}=true" for name in SWITCHED), *(f"--{name}" for name in REFUSED)]
    lines += ["Refused, each with what to use instead: " + " ".join(refused)]
    return "\n".join(lines)
