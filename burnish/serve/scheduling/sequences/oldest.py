"""Oldest: one job of each candidate sequence at a time goes into the instance's dynamic batcher, in any row."""

from __future__ import annotations

from burnish.serve.job import Failure, Job
from burnish.serve.scheduling import Scheduler
from burnish.serve.scheduling.sequences.scheduler import SequenceScheduler, Slot
from burnish.serve.status import ServeError


class OldestStrategy:
    """Of one instance. candidates: how many sequences it serves at a time."""

    def __init__(self, candidates: int, batcher: Scheduler) -> None:
        self._batcher = batcher
        self.slots = [Slot(self, n) for n in range(candidates)]
        self.scheduler: SequenceScheduler | None = None  # set by the one that it belongs to

    @property
    def pending(self) -> int:
        return self._batcher.pending

    def ready(self, slot: Slot) -> None:
        owner = self.scheduler
        assert owner is not None
        while not slot.in_flight and slot.line is not None:
            if slot.line.jobs:
                self._issue(owner.take(slot), slot)
            elif slot.line.is_ended:
                owner.release(slot)
            else:
                break

    def close(self) -> None:
        self._batcher.close()

    def _issue(self, job: Job, slot: Slot) -> None:
        slot.in_flight = True
        job.on_end.append(lambda ended: self._ended(ended, slot))
        try:
            self._batcher.submit(job)
        except ServeError as error:  # it is being closed
            job.fail(error, failure=Failure.REJECTED)

    def _ended(self, job: Job, slot: Slot) -> None:
        slot.in_flight = False
        line = slot.line
        if line is not None and job.failure is Failure.CANCELED and self.scheduler is not None:
            self.scheduler.drop(line)
        self.ready(slot)
