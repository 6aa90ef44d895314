"""Direct: each slot is a row of the batch, so that a model may keep a sequence's state in it.

A batch reaches from the first slot to the last that has a job; a slot between without one, or with one of another
shape, gets a job of nobody, whose READY is false.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from burnish.serve.job import Job
from burnish.serve.scheduling import Clock
from burnish.serve.scheduling.batch_shape import ShapeKey
from burnish.serve.scheduling.nobody import nobody
from burnish.serve.scheduling.padding import PaddingRule
from burnish.serve.scheduling.pool import InstancePool
from burnish.serve.scheduling.sequences.control_inputs import ControlInputs
from burnish.serve.scheduling.sequences.scheduler import SequenceScheduler, Slot


@dataclass(frozen=True, slots=True)
class DirectRule:
    """A batch waits for `delay_ns` until `utilization` of the slots have a job; either 0: it does not wait."""

    slots: int
    delay_ns: int = 0
    utilization: float = 0.0
    shape_key: ShapeKey | None = None
    padding: PaddingRule | None = None


class DirectStrategy:
    """Of one instance."""

    def __init__(self, rule: DirectRule, pool: InstancePool, controls: ControlInputs, clock: Clock) -> None:
        self._rule, self._pool, self._controls, self._clock = rule, pool, controls, clock
        self.slots = [Slot(self, n) for n in range(rule.slots)]
        self.scheduler: SequenceScheduler | None = None  # set by the one that it belongs to
        self._is_pumping = False
        self._cancel_alarm: Callable[[], None] | None = None
        pool.on_free = self._pump

    pending = 0  # what it takes, it starts

    def ready(self, slot: Slot) -> None:
        self._settle(slot)
        self._pump()

    def close(self) -> None:
        if self._cancel_alarm is not None:
            self._cancel_alarm()
            self._cancel_alarm = None

    def _settle(self, slot: Slot) -> None:
        """Release the slot if its sequence is over."""
        while slot.line is not None and slot.line.is_ended and not slot.line.jobs:
            self._owner.release(slot)

    def _pump(self) -> None:
        if self._is_pumping:
            return
        self._is_pumping = True
        try:
            while self._pool.has_idle:
                fronts = [slot for slot in self.slots if slot.line is not None and slot.line.jobs]
                if not fronts or self._waits(fronts):
                    break
                instance = self._pool.take()
                if instance is None:
                    break
                jobs, all_places = self._form(fronts)
                self._pool.start(instance, all_places, jobs, self._rule.padding)
        finally:
            self._is_pumping = False

    def _waits(self, fronts: list[Slot]) -> bool:
        rule = self._rule
        if not rule.delay_ns or not rule.utilization or len(fronts) / rule.slots >= rule.utilization:
            return False
        oldest_ns = min(slot.line.jobs[0][1] for slot in fronts if slot.line is not None)
        if self._clock.now_ns() - oldest_ns >= rule.delay_ns:
            return False
        if self._cancel_alarm is None:
            self._cancel_alarm = self._clock.call_at(oldest_ns + rule.delay_ns, self._rang)
        return True

    def _rang(self) -> None:
        self._cancel_alarm = None
        self._pump()

    def _form(self, fronts: list[Slot]) -> tuple[list[Job], list[Job]]:
        """The jobs, and the batch: they and those of nobody, in the order of slots."""
        key_of = self._rule.shape_key
        key: Hashable = None
        jobs: list[Job] = []
        batch: list[Job | None] = [None] * (fronts[-1].index + 1)
        for slot in fronts:
            assert slot.line is not None
            if key_of is not None:
                this = key_of(slot.line.jobs[0][0])
                if jobs and this != key:
                    continue
                key = this
            job = batch[slot.index] = self._owner.take(slot)
            jobs.append(job)
            self._settle(slot)
        while batch[-1] is None:  # slots at the end whose job had another shape
            batch.pop()
        return jobs, [job or self._nobody(jobs[0]) for job in batch]

    def _nobody(self, like: Job) -> Job:
        job = nobody(like)
        job.request.inputs.update(self._controls.of_nobody())
        return job

    @property
    def _owner(self) -> SequenceScheduler:
        assert self.scheduler is not None
        return self.scheduler
