"""`burnish trtexec`: TensorRT's trtexec, flag by flag, so that a CI job changes one word."""

from __future__ import annotations

import typer

from burnish.cli.trtexec.flags import REFUSED, SWITCHES, VALUES, WARNED
from burnish.cli.trtexec.log import verdict
from burnish.cli.trtexec.options import parse_options

__all__ = ["trtexec"]


def trtexec(context: typer.Context) -> None:
    """Take trtexec's own flags: --onnx=model.onnx --saveEngine=model.plan --shapes=input:1x3x224x224 ..."""
    arguments = list(context.args)
    if not arguments or set(arguments) & {"--help", "-h"}:
        print(help_text())
        return
    verdict("RUNNING", arguments)
    try:
        options = parse_options(arguments)
        from burnish.cli.trtexec.session import execute

        execute(options)
    except BrokenPipeError:  # the reader has gone, so nobody reads the verdict
        raise
    except BaseException:
        verdict("FAILED", arguments)
        raise
    verdict("PASSED", arguments)


def help_text() -> str:
    """The help text: every flag that has an effect here."""
    lines = ["Usage: burnish trtexec --onnx=MODEL | --loadEngine=PLAN [flags]", ""]
    lines += [f"  --{name + '=...':<24} {text}" for name, text in VALUES.items()]
    lines += [f"  --{name:<24} {text}" for name, text in SWITCHES.items()]
    lines += ["", "Accepted with a warning: " + " ".join(f"--{name}" for name in WARNED)]
    lines += ["Refused, each with what to use instead: " + " ".join(f"--{name}" for name in REFUSED)]
    return "\n".join(lines)
