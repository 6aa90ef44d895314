"""Write a file whole or not at all: to a new name beside it, flushed to the disk, then renamed over the old one."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from burnish.errors import EnvironmentProblem


def write_atomically(path: str | os.PathLike[str], chunks: Iterable[bytes | memoryview]) -> None:
    """Write the chunks, in order, as the file. A reader (or a mapping) of the old file keeps the old content.

    raises: E403 if the disk is full or the place is not writable; the old file at `path` is then unchanged
    """
    target = Path(path)
    check_place(target)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with open(descriptor, "wb") as file:
                for chunk in chunks:
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, target)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise _unwritable(target, f"{error.strerror or error}; nothing at that place was changed") from error


def check_place(path: str | os.PathLike[str]) -> None:
    """Check before hours of work that a file can be written to this place. E403 if not."""
    target = Path(path)
    if target.is_dir():
        raise EnvironmentProblem(
            "E403", f"{target} cannot be written", why="it is a folder", hint="give the name of a file in it"
        )
    if not target.parent.is_dir():
        raise _unwritable(target, f"there is no folder {target.parent}")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise _unwritable(target, f"the folder {target.parent} is not writable")


def _unwritable(target: Path, why: str) -> EnvironmentProblem:
    hint = "free space, or choose another place: the folder must exist and be writable"
    return EnvironmentProblem("E403", f"{target} cannot be written", why=why, hint=hint)
