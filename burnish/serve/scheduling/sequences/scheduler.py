"""Which place in which instance a sequence has, and how long.

A sequence begins with a request that has START, holds one slot of one instance to its END, and waits in a backlog until
a slot is free. It also ends when no request of it came for the idle time, and when one of its waiting requests is
cancelled, for what comes after that one would see a state that it should not.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from typing import Protocol

from burnish.serve.job import Failure, Job, cancelled
from burnish.serve.request import Request
from burnish.serve.scheduling import Clock
from burnish.serve.scheduling.observer import Observer
from burnish.serve.scheduling.refusals import sequence_timeout, stopping
from burnish.serve.scheduling.sequences.control_inputs import ControlInputs, SequenceId
from burnish.serve.scheduling.sequences.implicit_state import State, StateRule
from burnish.serve.status import ServeError, invalid


class Line:
    """A sequence: its waiting jobs, each with when it came.

    is_ended      no more jobs are taken for it: its END has come, it was idle, or it was cancelled
    expires_ns    when its wait for a slot is over; 0: never
    """

    __slots__ = ("expires_ns", "is_ended", "jobs", "key", "last_ns", "slot", "state")

    def __init__(self, key: SequenceId) -> None:
        self.key = key
        self.jobs: deque[tuple[Job, int]] = deque()
        self.slot: Slot | None = None
        self.state: State = {}
        self.last_ns = self.expires_ns = 0
        self.is_ended = False


class Slot:
    """A place of an instance's batch, or of its candidates. in_flight: a job of it is in the hands of the strategy."""

    __slots__ = ("in_flight", "index", "line", "strategy")

    def __init__(self, strategy: Strategy, index: int) -> None:
        self.strategy, self.index = strategy, index
        self.line: Line | None = None
        self.in_flight = False


class Strategy(Protocol):
    """What forms batches of one instance's slots. It takes jobs from slots' lines and calls `release` for a slot whose
    line has ended and is empty."""

    slots: list[Slot]

    @property
    def pending(self) -> int:
        """Jobs that it has taken and not started."""
        ...

    def ready(self, slot: Slot) -> None:
        """A job came to the slot, or its line has ended."""
        ...

    def close(self) -> None: ...


class SequenceScheduler:
    """A Scheduler."""

    def __init__(
        self,
        strategies: Sequence[Strategy],
        controls: ControlInputs,
        states: StateRule | None,
        idle_ns: int,
        clock: Clock,
        observer: Observer,
    ) -> None:
        self._strategies, self._controls, self._states, self._idle_ns = strategies, controls, states, idle_ns
        self._clock, self._observer = clock, observer
        # Slot 0 of every instance before slot 1 of any, so that sequences spread over instances.
        self._free = [(slot.index, n, slot) for n, s in enumerate(strategies) for slot in s.slots]
        heapq.heapify(self._free)
        self._places = {slot: entry for entry in self._free for slot in entry[2:]}
        self._open: OrderedDict[SequenceId, Line] = OrderedDict()  # that take more jobs; idle longest first
        self._ending: dict[SequenceId, Line] = {}  # that take no more, and still hold their place
        self._backlog: deque[Line] = deque()
        self._where: dict[Job, Line] = {}
        self._next_expiry_ns = 0  # of a line in the backlog, or of one that has left it since
        self._alarm_ns = 0
        self._cancel_alarm: Callable[[], None] | None = None
        self._is_closed = False

    @property
    def pending(self) -> int:
        return len(self._where) + sum(s.pending for s in self._strategies)

    def submit(self, job: Job) -> None:
        request, now = job.request, self._clock.now_ns()
        line = self._line_of(job, now)
        line.last_ns = now
        line.jobs.append((job, now))
        self._where[job] = line
        job.on_cancel = self._cancelled
        if request.sequence is not None and request.sequence.is_end:
            self._end(line)
        else:
            self._open.move_to_end(line.key)
        if line.slot is None:
            if request.timeout_us:
                expires_ns = now + request.timeout_us * 1000
                line.expires_ns = min(line.expires_ns or expires_ns, expires_ns)
                self._next_expiry_ns = min(self._next_expiry_ns or expires_ns, expires_ns)
        else:
            line.slot.strategy.ready(line.slot)
        self._arm()

    def take(self, slot: Slot) -> Job:
        """The next job of a slot's line, with its control inputs, for its strategy to run."""
        line = slot.line
        assert line is not None
        job, _ = line.jobs.popleft()
        del self._where[job]
        job.on_cancel = None
        if job.request.sequence is not None:
            job.request.inputs.update(self._controls.of(job.request.sequence))
        if self._states is not None:
            self._states.put_in(job, line.state)
        return job

    def release(self, slot: Slot) -> None:
        """Give a slot to the sequence that has waited longest. Its strategy looks for new jobs in it after that."""
        if slot.line is not None and self._ending.get(slot.line.key) is slot.line:
            del self._ending[slot.line.key]
        if self._backlog:
            line = self._backlog.popleft()
            slot.line, line.slot = line, slot
            line.last_ns, line.expires_ns = self._clock.now_ns(), 0
            if line.key in self._open and self._open[line.key] is line:
                self._open.move_to_end(line.key)
        else:
            slot.line = None
            heapq.heappush(self._free, self._places[slot])

    def drop(self, line: Line) -> None:
        """End a sequence: its waiting jobs are cancelled."""
        if line.slot is None:
            self._leave_backlog(line)
        else:
            self._end(line)
        jobs = [job for job, _ in line.jobs]
        line.jobs.clear()
        for job in jobs:
            self._refuse(job, cancelled(), Failure.CANCELED)
        if line.slot is not None:
            line.slot.strategy.ready(line.slot)

    def close(self) -> None:
        self._is_closed = True
        if self._cancel_alarm is not None:
            self._cancel_alarm()
            self._cancel_alarm = None
        for job, line in list(self._where.items()):
            line.jobs.clear()
            self._refuse(job, stopping(job.request.id), Failure.REJECTED)
        for strategy in self._strategies:
            strategy.close()

    def _line_of(self, job: Job, now_ns: int) -> Line:
        request, sequence = job.request, job.request.sequence
        if sequence is not None and sequence.id:
            self._controls.check(request)
        if job.rows > 1:
            raise _refusal(request, "must specify batch-size 1 due to requirements of sequence batcher")
        if sequence is None or not sequence.id:
            raise _refusal(request, "must specify a non-zero or non-empty correlation ID")
        if self._is_closed:
            raise stopping(request.id)
        line = self._open.get(sequence.id)
        if line is not None:
            return line
        if not sequence.is_start:
            what = "must specify the START flag on the first request of the sequence"
            raise _refusal(request, what, f"for sequence {sequence.id} ")
        line = self._ending.pop(sequence.id, None)
        if line is not None:  # behind the sequence that had the id before, and in its place
            line.is_ended = False
            self._open[line.key] = line
            return line
        line = self._open[sequence.id] = Line(sequence.id)
        if self._free:
            slot = heapq.heappop(self._free)[2]
            slot.line, line.slot = line, slot
        else:
            self._backlog.append(line)
        return line

    def _end(self, line: Line) -> None:
        """Take no more jobs for it."""
        line.is_ended = True
        if self._open.get(line.key) is line:
            del self._open[line.key]
            self._ending[line.key] = line

    def _leave_backlog(self, line: Line) -> None:
        self._end(line)
        self._backlog.remove(line)
        if self._ending.get(line.key) is line:
            del self._ending[line.key]

    def _cancelled(self, job: Job) -> None:
        self.drop(self._where[job])

    def _refuse(self, job: Job, error: ServeError, reason: Failure) -> None:
        del self._where[job]
        job.on_cancel = None
        job.fail(error, failure=reason)
        self._observer.refused(job, reason)

    def _arm(self) -> None:
        waits = [self._next_expiry_ns] if self._next_expiry_ns else []
        if self._open:
            waits.append(next(iter(self._open.values())).last_ns + self._idle_ns)
        if not waits or self._is_closed:
            return
        when_ns = min(waits)
        if self._cancel_alarm is not None:
            if self._alarm_ns <= when_ns:
                return
            self._cancel_alarm()
        self._alarm_ns = when_ns
        self._cancel_alarm = self._clock.call_at(when_ns, self._rang)

    def _rang(self) -> None:
        self._cancel_alarm = None
        now = self._clock.now_ns()
        for line in [line for line in self._backlog if line.expires_ns and line.expires_ns <= now]:
            self._leave_backlog(line)
            for job, _ in line.jobs:
                self._refuse(job, sequence_timeout(), Failure.REJECTED)
            line.jobs.clear()
        self._next_expiry_ns = min((line.expires_ns for line in self._backlog if line.expires_ns), default=0)
        while self._open:
            line = next(iter(self._open.values()))
            if line.last_ns + self._idle_ns > now:
                break
            if line.slot is None:  # it cannot go on, which is not its client's fault
                line.last_ns = now
                self._open.move_to_end(line.key)
                continue
            self._end(line)
            line.slot.strategy.ready(line.slot)
        self._arm()


def _refusal(request: Request, what: str, sequence: str = "") -> ServeError:
    return invalid(f"inference request {sequence}to model '{request.model}' {what}")
