"""System shared memory: regions of /dev/shm that clients on this machine fill and read, instead of sending bytes.

A region is read and written through its file, never mapped: a client that shortens the file under a mapping would end
the server. That costs one copy.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from burnish.serve.status import Code, ServeError, invalid

_FOLDER = Path("/dev/shm")


class Region:
    """offset, size: the part of the file that was registered [bytes]. users: requests under way that write into it."""

    __slots__ = ("file", "key", "name", "offset", "size", "users")

    def __init__(self, name: str, key: str, offset: int, size: int, file: int) -> None:
        self.name, self.key, self.offset, self.size, self.file = name, key, offset, size, file
        self.users = 0

    def read(self, offset: int, size: int) -> bytes:
        data = os.pread(self.file, size, self.offset + offset)
        if len(data) < size:
            raise invalid(f"shared memory region '{self.name}' has become shorter than it was when it was registered")
        return data

    def write(self, offset: int, data: bytes | memoryview) -> None:
        os.pwrite(self.file, data, self.offset + offset)


class SharedMemory:
    """The regions by name. What it refuses, and in which words, is Triton's."""

    def __init__(self) -> None:
        self._regions: dict[str, Region] = {}

    def register(self, name: str, key: str, offset: int, size: int) -> None:
        if name in self._regions:
            raise ServeError(Code.ALREADY_EXISTS, f"shared memory region '{name}' already in manager")
        file = _open(key)
        try:
            if offset + size > os.fstat(file).st_size:
                raise invalid(f"failed to register shared memory region '{name}': invalid args")
            if not size or offset % mmap.ALLOCATIONGRANULARITY:
                raise invalid(
                    f"failed to register shared memory region '{name}': unable to process address spaceInvalid argument"
                )
        except ServeError:
            os.close(file)
            raise
        self._regions[name] = Region(name, key, offset, size, file)

    def unregister(self, name: str) -> None:
        region = self._regions.get(name)
        if region is None:
            return
        if region.users:
            raise ServeError(Code.INTERNAL, f"Cannot unregister shared memory region '{name}', it is currently in use.")
        os.close(region.file)
        del self._regions[name]

    def unregister_all(self) -> None:
        failed = [r.name for r in self._regions.values() if r.users]
        for name in [n for n in self._regions if n not in failed]:
            self.unregister(name)
        if failed:
            names = "".join(f"{name} ," for name in failed)
            raise ServeError(Code.INTERNAL, f"Failed to unregister the following system shared memory regions: {names}")

    def status(self, name: str = "") -> list[Region]:
        """All regions, or the one of that name. Raises NOT_FOUND."""
        if not name:
            return list(self)
        if name not in self._regions:
            raise ServeError(Code.NOT_FOUND, f"Unable to find system shared memory region: '{name}'")
        return [self._regions[name]]

    def __iter__(self) -> Iterator[Region]:
        return iter(self._regions.values())

    def find(self, name: str, offset: int, size: int) -> Region:
        """The region, if these bytes lie inside it. Raises NOT_FOUND, INVALID_ARG."""
        region = self._regions.get(name)
        if region is None:
            raise ServeError(Code.NOT_FOUND, f"Unable to find shared memory region: '{name}'")
        if offset >= region.size:
            raise invalid(f"Invalid offset for shared memory region: '{name}'")
        if not 0 < offset + size <= region.size:
            raise invalid(f"Invalid offset + byte size for shared memory region: '{name}'")
        return region


def _open(key: str) -> int:
    """As shm_open: one name in /dev/shm, with or without a slash before it; no folders, links or devices."""
    name = key.lstrip("/")
    refusal = ServeError(Code.INTERNAL, f"Unable to open shared memory region: '{key}'")
    if not name or "/" in name or "\0" in name or name in (".", ".."):
        raise refusal
    try:
        file = os.open(_FOLDER / name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        raise refusal from None
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise refusal
    return file
