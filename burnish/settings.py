"""Environment variables, read once into one frozen object. docs/cli.md lists them, and a test compares both lists."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass

from burnish.errors import UserError


@dataclass(frozen=True, slots=True)
class Settings:
    """debug (BURNISH_DEBUG): what a build says on stderr: 1 its passes and stages, 3 also every launch and its tactic,
    4 the kernels' sources, 5 the graph after each pass, 6 the assembly. From 2 on `burnish run` says what each launch
    takes, and a run on a GPU waits for each launch, so that a failure names it.
    threads (BURNISH_THREADS): CPU threads of an engine where the caller does not say; 0 means all cores.
    graphs (BURNISH_GRAPHS): CUDA graphs that a context keeps, one for each set of shapes and addresses; 0 means none.
    """

    debug: int = 0
    threads: int = 0
    graphs: int = 16


@functools.cache
def settings() -> Settings:
    """The settings of this process. E604 for a value that is no number."""
    return Settings(
        debug=_number("BURNISH_DEBUG"),
        threads=_number("BURNISH_THREADS"),
        graphs=_number("BURNISH_GRAPHS", Settings().graphs),
    )


def _number(name: str, otherwise: int = 0) -> int:
    text = os.environ.get(name, str(otherwise))
    if not text.isdecimal():
        raise UserError(
            "E604",
            f"the environment variable {name} is '{text}'",
            why="it must be a whole number, 0 or larger",
            hint=f"unset it, or set it to a number: {name}=1",
        )
    return int(text)
