"""trtexec's log lines: `[11/23/2026-08:15:00] [I] text`. Information on stdout, warnings and errors on stderr."""

from __future__ import annotations

import sys
import time

from burnish.version import __version__


def info(text: str = "") -> None:
    for line in text.splitlines() or [""]:
        print(f"{_stamp()} [I] {line}")


def warning(text: str) -> None:
    sys.stdout.flush()
    print(f"{_stamp()} [W] {text}", file=sys.stderr)


def verdict(word: str, arguments: list[str]) -> None:
    """`&&&& PASSED ...`, the line that CI scripts look for. word: RUNNING, PASSED or FAILED."""
    print(f"&&&& {word} Burnish.trtexec [Burnish v{__version__}] # burnish trtexec {' '.join(arguments)}", flush=True)


def _stamp() -> str:
    return time.strftime("[%m/%d/%Y-%H:%M:%S]")
