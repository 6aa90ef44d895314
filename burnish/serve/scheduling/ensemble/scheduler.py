"""The scheduler of an ensemble: its requests become requests of other models.

Back-pressure: with a limit of requests at each step, what would be more waits for that step, and while anything waits a
new request waits before its first step. So no more tensors lie between steps than the limit allows.
"""

from __future__ import annotations

from collections import deque

from burnish.serve.job import Failure, Job, cancelled
from burnish.serve.proto.model_config_pb2 import ModelConfig
from burnish.serve.scheduling import Clock
from burnish.serve.scheduling.ensemble.graph import Part, Step, ensemble_graph
from burnish.serve.scheduling.ensemble.run import Around, EnsembleRun, Find
from burnish.serve.scheduling.job_queue import JobQueue, QueueOptions, QueuePolicy
from burnish.serve.scheduling.observer import Observer
from burnish.serve.scheduling.refusals import stopping
from burnish.serve.status import ServeError


class EnsembleScheduler:
    """A Scheduler. max_queue_size: of requests that wait before their first step; 0: any."""

    def __init__(
        self, config: ModelConfig, find: Find, clock: Clock, observer: Observer, max_queue_size: int = 0
    ) -> None:
        self._clock, self._observer = clock, observer
        graph = ensemble_graph(config)
        self._around = Around(graph, config, find, self._enter, self._step_ended, self._ended)
        self._parts: dict[tuple[str, ...], Part] = {}
        self._limit = config.ensemble_scheduling.max_inflight_requests
        written = {tensor for step in graph.steps for tensor in step.outputs.values()}
        self._first = [s.index for s in graph.steps if not any(tensor in written for _, tensor in s.inputs)]
        self._busy = [0] * len(graph.steps)
        self._waiting: list[deque[tuple[EnsembleRun, int]]] = [deque() for _ in graph.steps]
        self._queue = JobQueue(QueueOptions(QueuePolicy(max_size=max_queue_size)))
        self._is_closed = self._is_pumping = False

    @property
    def pending(self) -> int:
        return len(self._queue) + sum(map(len, self._waiting))

    def submit(self, job: Job) -> None:
        if self._is_closed:
            raise stopping(job.request.id)
        if not self._limit or self._has_room():
            self._begin(job)
            return
        try:
            self._queue.push(job, self._clock.now_ns())
        except ServeError:
            self._observer.refused(job, Failure.REJECTED)
            raise
        job.on_cancel = self._cancelled

    def close(self) -> None:
        self._is_closed = True
        for job in self._queue.drain():
            self._refuse(job, stopping(job.request.id), Failure.REJECTED)

    def _has_room(self) -> bool:
        return all(self._busy[n] < self._limit for n in self._first) and not any(self._waiting)

    def _begin(self, job: Job) -> None:
        wanted = job.request.wanted
        part = self._parts.get(wanted)
        if part is None:
            if len(self._parts) > 64:
                self._parts.clear()
            part = self._parts[wanted] = self._around.graph.part(wanted)
        run = EnsembleRun(job, part, self._around)
        job.started_ns = self._clock.now_ns()
        job.on_cancel = lambda _: run.cancel()
        run.begin()

    def _enter(self, run: EnsembleRun, step: Step, number: int) -> None:
        if self._limit and self._busy[step.index] >= self._limit:
            self._waiting[step.index].append((run, number))
            return
        self._busy[step.index] += 1
        run.start(step, number)

    def _step_ended(self, step: Step) -> None:
        self._busy[step.index] -= 1
        self._pump()

    def _ended(self, run: EnsembleRun) -> None:
        run.job.on_cancel = None
        self._observer.composed(run.job, run.steps)
        run.steps.clear()  # they and the run hold each other

    def _pump(self) -> None:
        """Start what now has room. A step may be over before `start` returns; the next follows here, not deeper."""
        if not self._limit or self._is_pumping:
            return
        self._is_pumping = True
        try:
            while self._start_one():
                pass
        finally:
            self._is_pumping = False

    def _start_one(self) -> bool:
        for step in self._around.graph.steps:
            waiting = self._waiting[step.index]
            if waiting and self._busy[step.index] < self._limit:
                run, number = waiting.popleft()
                self._busy[step.index] += 1
                run.start(step, number)
                return True
        if self._queue and self._has_room():
            job, _ = next(iter(self._queue))
            self._queue.remove(job)
            self._begin(job)
            return True
        return False

    def _cancelled(self, job: Job) -> None:
        if self._queue.remove(job):
            self._refuse(job, cancelled(), Failure.CANCELED)

    def _refuse(self, job: Job, error: ServeError, reason: Failure) -> None:
        job.on_cancel = None
        job.fail(error, failure=reason)
        self._observer.refused(job, reason)
