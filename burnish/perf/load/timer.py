"""Sleep to a point in time within some 50 us; asyncio's own timers round to a millisecond."""

from __future__ import annotations

import asyncio
import ctypes
import os
import time

CLOCK_MONOTONIC = 1
ABSOLUTE = 1
SHORTEST_NS = 20_000  # a wait below this costs more than it is worth


class _Span(ctypes.Structure):
    """struct itimerspec: interval, then value, each seconds and nanoseconds."""

    _fields_ = (("interval", ctypes.c_long * 2), ("value", ctypes.c_long * 2))


class Timer:
    """Linux' timerfd in the event loop; elsewhere asyncio's sleep. One waits at a time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._library = ctypes.CDLL(None, use_errno=True)
        self._file = -1
        self._waiting: asyncio.Future[None] | None = None
        if hasattr(self._library, "timerfd_create"):
            self._file = self._library.timerfd_create(CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file >= 0:
            loop.add_reader(self._file, self._rang)

    async def until(self, due_ns: int) -> None:
        """Wait until the monotonic clock reads this."""
        now = time.monotonic_ns()
        if due_ns - now < SHORTEST_NS:
            return
        if self._file < 0:
            await asyncio.sleep((due_ns - now) / 1e9)
            return
        span = _Span((0, 0), (due_ns // 1_000_000_000, due_ns % 1_000_000_000))
        self._waiting = self._loop.create_future()
        self._library.timerfd_settime(self._file, ABSOLUTE, ctypes.byref(span), None)
        await self._waiting

    def close(self) -> None:
        if self._file >= 0:
            self._loop.remove_reader(self._file)
            os.close(self._file)
            self._file = -1

    def _rang(self) -> None:
        try:
            os.read(self._file, 8)
        except BlockingIOError:  # set anew meanwhile
            return
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)
