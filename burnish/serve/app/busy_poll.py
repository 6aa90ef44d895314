"""Looking for the next request instead of sleeping until it comes, while requests follow each other closely.

To wake a thread that sleeps costs as much as answering a small request: the kernel's work, a processor that has gone
idle, caches that are cold. So once everything is answered and the next request is expected within microseconds, the
event loop asks its selector again and again, for a bounded time. It does not while

    answers lie further apart than that time: an idle server sleeps, and so does one with few requests a second
    a model computes on another thread, which has better use for the processor and for the interpreter's lock
    somebody else wants the processor: a poll that came late was interrupted, and then there is none for a while
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from burnish.serve.job import now_ns

_EXPECTED: Final = 4  # answers in a row that came soon after the one before
_LATE_NS: Final = 300_000  # between two polls, of which one takes 2 us
_BACK_OFF_NS: Final = 500_000_000


class BusyPoll:
    """Lives on the event loop's thread. Any loop that does not sleep while callbacks wait can be made to poll.

    limit_us  how long after an answer
    may_poll  whether nothing else is to be done
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        limit_us: int,
        may_poll: Callable[[], bool],
        now: Callable[[], int] = now_ns,
    ) -> None:
        self._loop, self._limit_ns, self._may_poll, self._now = loop, limit_us * 1000, may_poll, now
        self._soon = 0  # answers in a row
        self._rested_ns = self._until_ns = self._seen_ns = self._not_before_ns = 0
        self._is_polling = False

    def rest(self) -> None:
        """Everything that a connection sent has been answered."""
        now = self._now()
        is_soon = now - self._rested_ns < self._limit_ns
        self._rested_ns = self._seen_ns = now
        if not is_soon:
            self._soon = 0
        elif self._soon < _EXPECTED:
            self._soon += 1
        elif self._may_poll():
            self._until_ns = now + self._limit_ns
            if not self._is_polling and now >= self._not_before_ns:
                self._is_polling = True
                self._loop.call_soon(self._poll)

    def _poll(self) -> None:
        now = self._now()
        late_ns, self._seen_ns = now - self._seen_ns, now
        if late_ns > _LATE_NS:
            self._not_before_ns = now + _BACK_OFF_NS
        elif now < self._until_ns and self._may_poll():
            self._loop.call_soon(self._poll)
            return
        self._is_polling = False
