"""Room for models: a budget of bytes, and who leaves when another one needs them.

The version that was used least recently leaves, unless it answers a request just now or its configuration keeps it. It
stays ready for clients: its next request brings it back, and waits meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from burnish.serve.status import Code, ServeError

log = logging.getLogger("burnish.serve")


class Tenant(Protocol):
    """A loaded version. is_idle: it may leave, which `park` does. is_kept: it never may."""

    name: str
    number: int
    last_used_ns: int
    is_kept: bool

    @property
    def is_idle(self) -> bool: ...

    @property
    def memory_bytes(self) -> int: ...

    async def park(self) -> None: ...


class Room:
    """limit_bytes of all models together; 0: no limit. patience_s: how long a load waits for others to be idle."""

    def __init__(self, limit_bytes: int = 0, patience_s: float = 10.0) -> None:
        self.limit_bytes, self._patience_s = limit_bytes, patience_s
        self._versions: set[Tenant] = set()
        self._reserved = 0
        self._changed = asyncio.Event()

    @property
    def used_bytes(self) -> int:
        """What the versions in memory hold, and those that are being loaded."""
        return self._reserved + sum(v.memory_bytes for v in self._versions)

    async def reserve(self, name: str, needed: int) -> None:
        """Make room, and hold it until `release`.

        raises: ServeError UNAVAILABLE if others that cannot leave hold it; INTERNAL if there is less room than that
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + self._patience_s
        while self.limit_bytes and self.used_bytes + needed > self.limit_bytes:
            kept = sum(v.memory_bytes for v in self._versions if v.is_kept)
            if needed + kept > self.limit_bytes:
                others = f", of which models that are kept loaded hold {kept}" if kept else ""
                raise ServeError(
                    Code.INTERNAL,
                    f"model '{name}' needs {needed} bytes of memory; the server may use {self.limit_bytes}{others}",
                )
            idle = [v for v in self._versions if v.is_idle and v.memory_bytes]
            if idle:
                oldest = min(idle, key=lambda v: v.last_used_ns)
                log.info("'%s' version %d leaves the memory for '%s'", oldest.name, oldest.number, name)
                await oldest.park()
                continue
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), end - loop.time())
            except TimeoutError:
                raise ServeError(
                    Code.UNAVAILABLE,
                    f"model '{name}' needs {needed} bytes of memory, which models that are busy hold",
                ) from None
        self._reserved += needed

    def release(self, size: int) -> None:
        self._reserved -= size
        self._changed.set()

    @contextmanager
    def holding(self, size: int) -> Iterator[None]:
        """What was reserved, given back at the end: by then the version that it was for counts itself."""
        try:
            yield
        finally:
            self.release(size)

    def enter(self, version: Tenant) -> None:
        self._versions.add(version)

    def leave(self, version: Tenant) -> None:
        self._versions.discard(version)
        self._changed.set()

    def changed(self) -> None:
        """A version became idle."""
        if self.limit_bytes:
            self._changed.set()
