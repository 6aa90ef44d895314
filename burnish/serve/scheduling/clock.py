"""The event loop's time and alarms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from burnish.serve.job import now_ns


class LoopClock:
    """A `Clock` over an event loop. Its time is the one that jobs are stamped with, and never goes back."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop

    now_ns = staticmethod(now_ns)

    def call_at(self, when_ns: int, call: Callable[[], None]) -> Callable[[], None]:
        """A loop that counts alarms in milliseconds may call a little early: who is called looks at the time again."""
        return self._loop.call_later(max(0, when_ns - now_ns()) / 1e9, call).cancel
