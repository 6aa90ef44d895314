"""The command line: parse, call one function, print. `burnish --help` imports no compiler and no numpy."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. The exit code: 0, 1 (verify, diff: different), 2 user, 3 environment, 4 bug, 130 Ctrl-C."""
    from burnish.cli.app import app
    from burnish.cli.failure import guarded

    return guarded(app, arguments)
