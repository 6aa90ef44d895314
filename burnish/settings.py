"""Environment variables, read once into one frozen object. docs/cli.md lists them; a test compares both ways."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass

from burnish.errors import UserError


@dataclass(frozen=True, slots=True)
class Settings:
    """debug (BURNISH_DEBUG): what a build says on stderr: 1 its passes and stages, 3 also every launch and its tactic.

    threads (BURNISH_THREADS): CPU threads of an engine where the caller does not say; 0 means all cores.
    """

    debug: int = 0
    threads: int = 0


@functools.cache
def settings() -> Settings:
    """The settings of this process. E604 for a value that is no number."""
    return Settings(debug=_number("BURNISH_DEBUG"), threads=_number("BURNISH_THREADS"))


def _number(name: str) -> int:
    text = os.environ.get(name, "0")
    if not text.isdecimal():
        raise UserError(
            "E604",
            f"the environment variable {name} is '{text}'",
            why="it must be a whole number, 0 or larger",
            hint=f"unset it, or set it to a number: {name}=1",
        )
    return int(text)
