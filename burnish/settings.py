"""Environment variables, read once into one frozen object. docs/cli.md lists them; a test compares both ways."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """debug: 0 to 6, how much a build prints (BURNISH_DEBUG). threads: default number of CPU threads, 0 = all cores (BURNISH_THREADS)."""

    debug: int = 0
    threads: int = 0


@functools.cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings(debug=int(os.environ.get("BURNISH_DEBUG", "0")), threads=int(os.environ.get("BURNISH_THREADS", "0")))
