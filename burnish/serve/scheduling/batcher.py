"""Jobs into batches, batches to instances: the dynamic batcher, and with a limit of one job the plain queue.

A batch is the front of the queue. It goes, once an instance is free,
  as a preferred size, if some front of the queue has one (the largest of them);
  at once, if the next job does not fit or has another shape, or the largest preferred size is reached or passed;
  else when its oldest job has waited for the delay.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass

from burnish.serve.job import Failure, Job, cancelled
from burnish.serve.proto.model_config_pb2 import ModelConfig, ModelDynamicBatching, ModelSequenceBatching
from burnish.serve.scheduling import Clock
from burnish.serve.scheduling.batch_shape import ShapeKey, shape_key
from burnish.serve.scheduling.job_queue import JobQueue
from burnish.serve.scheduling.observer import Observer
from burnish.serve.scheduling.padding import PaddingRule
from burnish.serve.scheduling.pool import InstancePool
from burnish.serve.scheduling.refusals import stopping, timeout_expired
from burnish.serve.status import ServeError


@dataclass(frozen=True, slots=True)
class BatchRule:
    """max_jobs 0: any. preferred: sizes in rows; none means max_rows. padding: done to a batch before it starts."""

    max_rows: int = 1
    max_jobs: int = 0
    preferred: frozenset[int] = frozenset()
    delay_ns: int = 0
    shape_key: ShapeKey | None = None
    padding: PaddingRule | None = None


def batch_rule(
    config: ModelConfig,
    batching: ModelDynamicBatching | ModelSequenceBatching.StrategyOldest,
    padding: PaddingRule | None = None,
) -> BatchRule:
    max_rows = max(1, config.max_batch_size)
    return BatchRule(
        max_rows=max_rows,
        max_jobs=0 if config.max_batch_size else 1,
        preferred=frozenset(n for n in batching.preferred_batch_size if 1 <= n <= max_rows),
        delay_ns=batching.max_queue_delay_microseconds * 1000,
        shape_key=shape_key(config, padding.padded_shape if padding else None),
        padding=padding,
    )


class Batcher:
    """A Scheduler. It has one alarm at most, for the end of a delay or of a job's time."""

    def __init__(self, rule: BatchRule, queue: JobQueue, pool: InstancePool, clock: Clock, observer: Observer) -> None:
        self._rule, self._queue, self._pool, self._clock, self._observer = rule, queue, pool, clock, observer
        self._preferred = rule.preferred or frozenset([rule.max_rows])
        self._max_preferred = max(self._preferred)
        # Nothing can be gained by waiting: a job that finds an idle instance and an empty queue starts at once.
        self._is_eager = rule.max_jobs == 1 or rule.delay_ns == 0
        self._is_closed = self._is_pumping = False
        # While the whole queue waits for more rows: for how many, of which shape, and until when. 0 rows: it does not.
        self._wait_rows = self._wait_until_ns = 0
        self._wait_key: Hashable = None
        self._alarm_ns = 0
        self._cancel_alarm: Callable[[], None] | None = None
        self._on_cancel = self._cancelled
        pool.on_free = self._pump

    @property
    def pending(self) -> int:
        return len(self._queue)

    def submit(self, job: Job) -> None:
        if self._is_closed:
            raise stopping(job.request.id)
        queue = self._queue
        if self._is_eager and not queue and not self._is_pumping:
            instance = self._pool.take()
            if instance is not None:
                self._is_pumping = True
                try:
                    self._pool.start(instance, [job], None, self._rule.padding)
                finally:
                    self._is_pumping = False
                if queue:
                    self._pump()
                return
        try:
            queue.push(job, self._clock.now_ns())
        except ServeError:
            self._observer.refused(job, Failure.REJECTED)
            raise
        job.on_cancel = self._on_cancel
        key_of = self._rule.shape_key
        if queue.rows < self._wait_rows and (key_of is None or key_of(job) == self._wait_key):
            self._arm(self._wait_until_ns)
        else:
            self._pump()

    def close(self) -> None:
        self._is_closed = True
        if self._cancel_alarm is not None:
            self._cancel_alarm()
            self._cancel_alarm = None
        for job in self._queue.drain():
            self._refuse(job, Failure.REJECTED)

    def _pump(self) -> None:
        """Start what can be started. A run that ends inside `start` is followed by the next one here, not deeper."""
        if self._is_pumping:
            return
        self._is_pumping = True
        self._wait_rows = self._wait_until_ns = 0
        try:
            queue, pool = self._queue, self._pool
            while queue:
                now = self._clock.now_ns()
                if queue.next_deadline_ns and queue.next_deadline_ns <= now:
                    self._expire(now)
                    continue
                if not pool.has_idle:
                    break
                batch = self._form(now)
                if not batch:
                    break
                instance = pool.take()
                if instance is None:
                    break
                for job in batch:
                    queue.remove(job)
                    job.on_cancel = None
                pool.start(instance, batch, batch, self._rule.padding)
        finally:
            self._is_pumping = False
        if self._queue:
            self._arm(self._wait_until_ns)

    def _form(self, now_ns: int) -> list[Job]:
        """The batch to start now; none if it is to wait for more."""
        rule, preferred = self._rule, self._preferred
        key_of, max_rows = rule.shape_key, rule.max_rows
        batch: list[Job] = []
        rows = best = 0
        key = oldest_ns = None
        is_full = False
        for job, came_ns in self._queue:
            if batch:
                total = rows + job.rows
                if total > self._max_preferred and not best:
                    best = len(batch)
                if total > max_rows or (key_of is not None and key_of(job) != key):
                    is_full = True
                    break
            elif rule.max_jobs == 1:
                return [job]
            elif key_of is not None:
                key = key_of(job)
            rows += job.rows
            batch.append(job)
            if oldest_ns is None or came_ns < oldest_ns:
                oldest_ns = came_ns
            if rows in preferred:
                best = len(batch)
            if rows >= max_rows or len(batch) == rule.max_jobs:
                is_full = True
                break
        if oldest_ns is None:
            return []
        is_late = rule.delay_ns != 0 and now_ns - oldest_ns >= rule.delay_ns
        if best and not is_late:
            return batch[:best]
        if is_full or is_late or rule.delay_ns == 0 or rows >= self._max_preferred:
            return batch
        self._wait_rows = min(n for n in preferred if n > rows)
        self._wait_until_ns, self._wait_key = oldest_ns + rule.delay_ns, key
        return []

    def _expire(self, now_ns: int) -> None:
        for job in self._queue.expire(now_ns):
            job.on_cancel = None
            job.fail(timeout_expired(), failure=Failure.REJECTED)
            self._observer.refused(job, Failure.REJECTED)

    def _cancelled(self, job: Job) -> None:
        if self._queue.remove(job):
            self._refuse(job, Failure.CANCELED)
            self._pump()  # the one that did not fit may have been it

    def _refuse(self, job: Job, reason: Failure) -> None:
        job.on_cancel = None
        job.fail(cancelled() if reason is Failure.CANCELED else stopping(job.request.id), failure=reason)
        self._observer.refused(job, reason)

    def _arm(self, wait_until_ns: int) -> None:
        deadline_ns = self._queue.next_deadline_ns
        when_ns = min(wait_until_ns, deadline_ns) if wait_until_ns and deadline_ns else wait_until_ns or deadline_ns
        if not when_ns or self._is_closed:
            return
        if self._cancel_alarm is not None:
            if self._alarm_ns <= when_ns:  # it looks again when it comes
                return
            self._cancel_alarm()
        self._alarm_ns = when_ns
        self._cancel_alarm = self._clock.call_at(when_ns, self._rang)

    def _rang(self) -> None:
        self._cancel_alarm = None
        self._pump()
