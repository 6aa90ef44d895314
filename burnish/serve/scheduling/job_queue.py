"""The queue of a model: priority levels, each with a policy of size and timeout.

Order: level 1 first; in a level, first come first served, and after them those whose time is over under DELAY.
A request's own timeout counts only if the policy allows it, and can only shorten a default that is not 0 (as Triton).
"""

from __future__ import annotations

import heapq
import itertools
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

from burnish.serve.job import Job
from burnish.serve.scheduling.refusals import queue_full

KEPT_LEVELS = 8  # that many are kept when they are empty


@dataclass(frozen=True, slots=True)
class QueuePolicy:
    """timeout_us 0: none. delays: a job whose time is over waits behind the others instead of being refused.
    max_size 0: any."""

    timeout_us: int = 0
    delays: bool = False
    allows_own_timeout: bool = False
    max_size: int = 0


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """levels 0: one level, whatever priority a request asks for."""

    default: QueuePolicy = QueuePolicy()
    levels: int = 0
    default_level: int = 0
    by_level: dict[int, QueuePolicy] = field(default_factory=dict)


class _Level:
    __slots__ = ("fresh", "late", "number", "policy")

    def __init__(self, number: int, policy: QueuePolicy) -> None:
        self.number, self.policy = number, policy
        # A job and when it came. OrderedDict: taken from the front and out of the middle at the same small cost.
        self.fresh: OrderedDict[Job, int] = OrderedDict()
        self.late: OrderedDict[Job, int] = OrderedDict()


class JobQueue:
    """rows: of all jobs in it. next_deadline_ns: when the next job's time is over; 0 if none's will be."""

    __slots__ = ("_deadlines", "_levels", "_options", "_order", "_where", "next_deadline_ns", "rows")

    def __init__(self, options: QueueOptions | None = None) -> None:
        self._options = options or QueueOptions()
        # Made when first used, for there may be many; kept in the order in which they are served.
        self._levels: dict[int, _Level] = {}
        self._where: dict[Job, _Level] = {}
        self._deadlines: list[tuple[int, int, Job]] = []  # a heap; jobs that have left stay in it until it is tidied
        self._order = itertools.count()
        self.rows = self.next_deadline_ns = 0

    def __len__(self) -> int:
        return len(self._where)

    def __iter__(self) -> Iterator[tuple[Job, int]]:
        """Each job and when it came, in the order in which they are to run."""
        for level in self._levels.values():
            yield from level.fresh.items()
            yield from level.late.items()

    def level_of(self, priority: int) -> int:
        options = self._options
        if not options.levels:
            return 0
        return priority if 1 <= priority <= options.levels else options.default_level

    def push(self, job: Job, now_ns: int) -> None:
        """raises UNAVAILABLE if the level is full."""
        number = self.level_of(job.request.priority)
        level = self._levels.get(number) or self._make_level(number)
        policy = level.policy
        if policy.max_size and len(level.fresh) + len(level.late) >= policy.max_size:
            raise queue_full(job.request.id)
        level.fresh[job] = now_ns
        self._where[job] = level
        self.rows += job.rows
        timeout_us = policy.timeout_us
        if timeout_us:
            own = job.request.timeout_us
            if policy.allows_own_timeout and own and own < timeout_us:
                timeout_us = own
            self._set_deadline(job, now_ns + timeout_us * 1000)

    def remove(self, job: Job) -> bool:
        """Take a job out, wherever it stands. False if it is not in the queue."""
        level = self._where.pop(job, None)
        if level is None:
            return False
        if level.fresh.pop(job, None) is None:
            del level.late[job]
        self.rows -= job.rows
        self._drop_if_empty(level)
        if self._deadlines:
            self._tidy()
        return True

    def expire(self, now_ns: int) -> list[Job]:
        """Take out the jobs whose time is over, and put those that are only delayed behind the others."""
        refused = []
        heap = self._deadlines
        while heap and heap[0][0] <= now_ns:
            job = heapq.heappop(heap)[2]
            level = self._where.get(job)
            if level is None:
                continue
            if level.policy.delays:
                level.late[job] = level.fresh.pop(job)
            else:
                del self._where[job], level.fresh[job]
                self.rows -= job.rows
                self._drop_if_empty(level)
                refused.append(job)
        self._tidy()
        return refused

    def drain(self) -> list[Job]:
        """Take everything out."""
        jobs = list(self._where)
        for level in self._levels.values():
            level.fresh.clear()
            level.late.clear()
        self._where.clear()
        self._deadlines.clear()
        self.rows = self.next_deadline_ns = 0
        return jobs

    def _make_level(self, number: int) -> _Level:
        policy = self._options.by_level.get(number, self._options.default)
        level = self._levels[number] = _Level(number, policy)
        self._levels = dict(sorted(self._levels.items()))
        return level

    def _drop_if_empty(self, level: _Level) -> None:
        """A configuration may have a million levels, and every look at the queue passes those that there are."""
        if len(self._levels) > KEPT_LEVELS and not level.fresh and not level.late:
            del self._levels[level.number]

    def _set_deadline(self, job: Job, deadline_ns: int) -> None:
        heapq.heappush(self._deadlines, (deadline_ns, next(self._order), job))
        self.next_deadline_ns = self._deadlines[0][0]

    def _tidy(self) -> None:
        """Forget jobs that have left: they hold their tensors."""
        heap, where = self._deadlines, self._where
        while heap and heap[0][2] not in where:
            heapq.heappop(heap)
        if len(heap) > 2 * len(where) + 16:
            heap[:] = [entry for entry in heap if entry[2] in where]
            heapq.heapify(heap)
        self.next_deadline_ns = heap[0][0] if heap else 0
