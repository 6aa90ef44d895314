"""Locks between processes: one measurement at a time on a device, and one change at a time of a file.

Both are locks of the operating system, which are released when their process ends, however it ends. A file is changed
under a lock on its folder, which always exists. A device has an empty file in the temporary folder while a process
measures, and that process removes the file at the end. A process that waited for a removed file has locked nothing; it
starts again with the file that exists now.
"""

from __future__ import annotations

import fcntl
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

MODE = 0o444  # to lock a file, its readers need not write


def turn_file(identity: str) -> Path:
    """The path of a device's lock file. The file exists while a process has the lock or waits for it."""
    return Path(tempfile.gettempdir()) / f"burnish-{re.sub('[^0-9A-Za-z]+', '-', identity)}.lock"


@contextmanager
def turn_to_change(path: Path) -> Iterator[None]:
    """Inside, no other build changes this file or another one in its folder. The file need not exist."""
    folder = -1
    try:
        with suppress(OSError):  # it may be unreadable, and some network file systems lock no folders
            folder = os.open(path.resolve().parent, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        if folder >= 0:
            os.close(folder)


@contextmanager
def turn(identity: str, say: Callable[[str], None]) -> Iterator[None]:
    """Inside, no other process measures on the device. Ctrl-C ends the waiting.

    identity: the device's name, the same in every process
    say:      gets a line if another process is measuring, or if locks do not work here
    """
    place = turn_file(identity)
    try:
        file = _lock(place, say)
    except OSError as error:
        say(f"other builds may disturb this one's measurements: {place}: {error.strerror}")
        yield
        return
    try:
        yield
    finally:
        with suppress(OSError):  # another user's file: its owner waits for it and removes it
            place.unlink()
        os.close(file)


def _lock(place: Path, say: Callable[[str], None]) -> int:
    """The file at that place, opened and locked."""
    waits = False
    while True:
        file = _open(place)
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not waits:
                    say("another build measures on this device: they take turns")
                waits = True
                fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(file, place):
                return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _is_at(file: int, place: Path) -> bool:
    """Is the open file still the one at this path?"""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), os.stat(place, follow_symlinks=False))
    return False


def _open(place: Path) -> int:
    """Open the file. A missing file is created, whatever the umask; an existing one is opened for reading only."""
    while True:
        with suppress(FileNotFoundError):
            return os.open(place, os.O_RDONLY | os.O_NOFOLLOW)
        with suppress(FileExistsError):
            file = os.open(place, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, MODE)
            os.fchmod(file, MODE)
            return file
