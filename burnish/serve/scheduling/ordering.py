"""Answers leave in the order in which their requests came, whichever is ready first."""

from __future__ import annotations

from collections import deque

from burnish.serve.job import Job, Reply
from burnish.serve.request import Response
from burnish.serve.scheduling import Scheduler
from burnish.serve.status import ServeError


class _Place:
    """One job's place in the line. It stands in for the job's reply."""

    __slots__ = ("held", "line", "reply")

    def __init__(self, line: deque[_Place], reply: Reply) -> None:
        self.line, self.reply = line, reply
        self.held: list[Response] = []

    def __call__(self, response: Response) -> None:
        line = self.line
        if line[0] is not self or self.held:
            self.held.append(response)
            return
        self.reply(response)
        if response.is_final:
            line.popleft()
            _let_go(line)


class AnswerOrder:
    def __init__(self) -> None:
        self._line: deque[_Place] = deque()

    def enter(self, job: Job) -> None:
        place = _Place(self._line, job.reply)
        self._line.append(place)
        job.reply = place

    def withdraw(self, job: Job) -> None:
        """For the job that entered last and was not taken."""
        job.reply = self._line.pop().reply


class InOrder:
    """A Scheduler before another, whose answers leave in order."""

    def __init__(self, inner: Scheduler) -> None:
        self._inner, self._order = inner, AnswerOrder()

    @property
    def pending(self) -> int:
        return self._inner.pending

    def submit(self, job: Job) -> None:
        self._order.enter(job)
        try:
            self._inner.submit(job)
        except ServeError:
            self._order.withdraw(job)
            raise

    def close(self) -> None:
        self._inner.close()


def _let_go(line: deque[_Place]) -> None:
    while line and line[0].held:
        place = line[0]
        response = place.held.pop(0)
        if response.is_final:
            line.popleft()
        place.reply(response)
