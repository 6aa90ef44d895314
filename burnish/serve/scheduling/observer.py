"""Whom a scheduler tells what happened. Statistics and metrics of a model version are made of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from burnish.serve.job import Failure, Job


class Observer(Protocol):
    """One a loaded version. Called on the event loop's thread, once for each event, so none of it may be slow."""

    def executed(self, jobs: Sequence[Job], done_ns: int) -> None:
        """A batch went through the backend; the jobs tell when each step was reached and whether they failed."""
        ...

    def refused(self, job: Job, reason: Failure) -> None:
        """A job was answered with an error and never ran."""
        ...

    def composed(self, job: Job, steps: Sequence[Job]) -> None:
        """An ensemble's job is over; each step ran as a job of another model."""
        ...

    def cache_hit(self, job: Job, lookup_ns: int) -> None:
        """A job was answered out of the cache."""
        ...

    def cache_missed(self, job: Job, lookup_ns: int) -> None:
        """A job's answer went into the cache after it had run; looking up and keeping took so long."""
        ...


class Nobody:
    """The observer that does not look."""

    def executed(self, jobs: Sequence[Job], done_ns: int) -> None:
        pass

    def refused(self, job: Job, reason: Failure) -> None:
        pass

    def composed(self, job: Job, steps: Sequence[Job]) -> None:
        pass

    def cache_hit(self, job: Job, lookup_ns: int) -> None:
        pass

    def cache_missed(self, job: Job, lookup_ns: int) -> None:
        pass
