"""The instances of a model: which is free, and what happens when a batch goes in and comes out."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from burnish.serve.job import Failure, Job
from burnish.serve.scheduling import Clock, Instance
from burnish.serve.scheduling.observer import Observer
from burnish.serve.scheduling.padding import PaddingRule
from burnish.serve.status import Code, ServeError

log = logging.getLogger("burnish.serve")


class Turns(Protocol):
    """Who may start now, among the models of a server."""

    def enter(self, instance: Instance, retry: Callable[[], None]) -> bool:
        """Whether the instance may start. If not, `retry` is called when it may be worth asking again."""
        ...

    def leave(self, instance: Instance, busy_ns: int, again: Callable[[], None]) -> None:
        """The instance is free; `again` is called before others get its turn, to ask with them."""
        ...


class InstancePool:
    """on_free: called when an instance has become free, or a turn may be had."""

    __slots__ = ("_busy", "_clock", "_idle", "_observer", "_turns", "on_free")

    def __init__(
        self, instances: Sequence[Instance], clock: Clock, observer: Observer, turns: Turns | None = None
    ) -> None:
        self._idle = deque(instances)  # idle longest first
        self._clock, self._observer, self._turns = clock, observer, turns
        self.on_free: Callable[[], None] = _nothing
        self._busy: set[int] = set()  # instances' identities

    @property
    def running(self) -> int:
        """Batches."""
        return len(self._busy)

    @property
    def has_idle(self) -> bool:
        return bool(self._idle)

    def take(self) -> Instance | None:
        """The instance that was idle longest, if one is idle and it has a turn. It is to be started, or put back."""
        if not self._idle:
            return None
        if self._turns is not None and not self._turns.enter(self._idle[0], self._retry):
            return None
        return self._idle.popleft()

    def start(
        self,
        instance: Instance,
        batch: Sequence[Job],
        jobs: Sequence[Job] | None = None,
        padding: PaddingRule | None = None,
    ) -> None:
        """jobs: those of the batch that count, if not all do."""
        now = self._clock.now_ns()
        counted = batch if jobs is None else jobs
        if padding is not None:
            try:
                batch = padding.apply(batch)
            except MemoryError:
                self._give_up(instance, counted)
                return
        for job in batch:
            job.started_ns = now
        self._busy.add(id(instance))
        done = partial(self._done, instance, counted, now)
        try:
            instance.run(batch, done)
        except Exception:  # a backend's defect: its model goes on, and so do the others
            log.exception("%s raised while it ran a batch", instance.name)
            for job in batch:
                job.fail(ServeError(Code.INTERNAL, "the model's backend failed"))
            done()

    def _give_up(self, instance: Instance, jobs: Sequence[Job]) -> None:
        self._idle.appendleft(instance)
        for job in jobs:
            job.fail(
                ServeError(Code.UNAVAILABLE, "there is not enough memory to pad the inputs"), failure=Failure.OTHER
            )
            self._observer.refused(job, Failure.OTHER)
        if self._turns is not None:
            self._turns.leave(instance, 0, self._retry)

    def _done(self, instance: Instance, jobs: Sequence[Job], started_ns: int) -> None:
        if id(instance) not in self._busy:
            return
        now = self._clock.now_ns()
        self._busy.remove(id(instance))
        self._idle.append(instance)
        self._observer.executed(jobs, now)
        if self._turns is None:
            self.on_free()
        else:
            self._turns.leave(instance, now - started_ns, self._retry)

    def _retry(self) -> None:
        self.on_free()


def _nothing() -> None:
    pass
