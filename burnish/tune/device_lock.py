"""Turns: one measurement at a time on a device, one change at a time of a file, whatever processes are at it.

A lock of the operating system on an empty file in the temporary directory, named after what it is for. It opens when
its process ends, however that ends. The file stays: all who wait must wait for the same one.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

MODE = 0o444  # to lock a file, its readers need not write


def turn_file(identity: str) -> Path:
    """Where the lock lies."""
    return Path(tempfile.gettempdir()) / f"burnish-{re.sub('[^0-9A-Za-z]+', '-', identity)}.lock"


def turn_to_change(path: Path) -> AbstractContextManager[None]:
    """Inside, no other build changes the file, which need not exist."""
    name = hashlib.sha256(os.fsencode(path.resolve())).hexdigest()[:32]
    return turn(f"changes-{name}", lambda line: None)


@contextmanager
def turn(identity: str, say: Callable[[str], None]) -> Iterator[None]:
    """Inside, nobody else has the turn. Ctrl-C ends the waiting.

    identity: what every process calls the device
    say:      gets a line if somebody else is at it, or if turns cannot be taken here
    """
    place = turn_file(identity)
    try:
        file = _open(place)
    except OSError as error:
        say(f"other builds may disturb this one's measurements: {place}: {error.strerror}")
        yield
        return
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build measures on this device: they take turns")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)


def _open(place: Path) -> int:
    """Made if need be, whatever the umask; a file that is there is only read, whoever made it."""
    with suppress(FileNotFoundError):
        return os.open(place, os.O_RDONLY | os.O_NOFOLLOW)
    with suppress(FileExistsError):
        file = os.open(place, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, MODE)
        os.fchmod(file, MODE)
        return file
    return os.open(place, os.O_RDONLY | os.O_NOFOLLOW)
