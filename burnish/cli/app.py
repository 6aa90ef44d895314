"""The commands, by name. Each module holds one command and imports the code that it needs only when it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from burnish.cli import bench, build, cache, diff, inspect, perf, run, serve, tritonserver, trtexec, verify
from burnish.cli.calibration import accuracy, calib, calibrate, doctor
from burnish.cli.sparsity import inspect_sparsity, prune

app = typer.Typer(
    name="burnish",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Compile an ONNX model into one plan file, and run, measure and verify the plan.",
    epilog="Results go to stdout, everything else to stderr. Exit codes: 1 verify or diff found a difference, 2 the "
    "input must change, 3 the machine must change, 4 a bug in Burnish. --debug after any command shows the traceback "
    "of an error.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from burnish.version import __version__

        print(f"burnish {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


app.command(name="build")(build.build)
app.command(name="accuracy")(accuracy.accuracy)
app.command(name="calibrate")(calibrate.calibrate)
app.command(name="prune")(prune.prune)
app.command(name="run")(run.run)
app.command(name="bench")(bench.bench)
app.command(name="verify")(verify.verify)
app.command(name="diff")(diff.diff)
app.command(name="perf", cls=perf.PerfCommand)(perf.perf)
app.command(name="serve")(serve.serve)
app.add_typer(calib.app, name="calib")
app.add_typer(inspect.app, name="inspect")
inspect.app.command(name="sparsity")(inspect_sparsity.sparsity)
app.add_typer(cache.app, name="cache")
app.add_typer(doctor.app, name="doctor")
for name, command in (("trtexec", trtexec.trtexec), ("tritonserver", tritonserver.tritonserver)):
    app.command(
        name=name,
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "allow_interspersed_args": False},
    )(command)
