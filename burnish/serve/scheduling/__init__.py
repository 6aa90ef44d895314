"""Which request runs when, and with which others: pure logic over a clock that tests can turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from burnish.serve.job import Job

__all__ = ["Clock", "Instance", "Scheduler"]


class Instance(Protocol):
    """What a scheduler needs of an instance of `burnish.serve.backends`.

    One whose next run takes none of the server's worker threads says so with `has_worker = False`.
    """

    name: str

    def run(self, jobs: Sequence[Job], done: Callable[[], None]) -> None: ...


class Clock(Protocol):
    """Time and alarms. The event loop's, or a test's."""

    def now_ns(self) -> int: ...

    def call_at(self, when_ns: int, call: Callable[[], None]) -> Callable[[], None]:
        """Call once then; the result cancels it."""
        ...


class Scheduler(Protocol):
    """One a loaded version. All calls are on the event loop's thread."""

    @property
    def pending(self) -> int:
        """How many jobs wait in its queues."""
        ...

    def submit(self, job: Job) -> None:
        """Take a job; it will be answered. Raises ServeError if it cannot be taken (a full queue: UNAVAILABLE)."""
        ...

    def close(self) -> None:
        """Fail what is still queued with UNAVAILABLE and cancel alarms. What runs goes on to its end."""
        ...
