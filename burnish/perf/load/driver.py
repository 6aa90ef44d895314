"""Send requests, closed or open loop, and keep the times of each.

closed loop: every slot sends as soon as its last request is answered
open loop:   a request is due at its time; an idle slot sends it, or a new one, or where all are busy the next free one
"""

from __future__ import annotations

import asyncio
import itertools
import time
from array import array
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from burnish.perf.load.messages import Messages
from burnish.perf.load.schedule import Share, due_times
from burnish.perf.load.timer import Timer

BACK_OFF_S = 0.01  # after a connection was lost or refused, so that a dead server is not hammered
MOST_MESSAGES = 20  # different errors that are told apart
BURST = 64  # overdue requests handed out before answers are looked at
PATROL_S = 0.1


class Connection(Protocol):
    """Carries one request at a time. After an answer its times [ns of the monotonic clock] stand here."""

    first_ns: int
    end_ns: int
    arrivals: list[int]  # when each response of a stream came; empty for plain requests

    @property
    def is_open(self) -> bool: ...

    def send(self, message: bytes) -> Awaitable[str]:
        """Wait for the answer. The result is the error's text, or nothing."""
        ...

    def expire(self, now_ns: int) -> None:
        """End a request that has waited too long."""
        ...

    def close(self) -> None: ...


Connect = Callable[[], Awaitable[Connection]]


@dataclass(slots=True)
class Records:
    """times: due, sent, first, end, responses, failed of each request, one after the other; gaps: end of a later
    response of a stream and the time since the one before; errors: how often each message came."""

    times: array[int] = field(default_factory=lambda: array("q"))
    gaps: array[int] = field(default_factory=lambda: array("q"))
    errors: Counter[str] = field(default_factory=Counter)


class Driver:
    """Loads a server through connections that `connect` opens. One level at a time."""

    def __init__(self, connect: Connect, messages: Callable[[], Messages]) -> None:
        self._connect, self._messages = connect, messages
        self.records = Records()
        self.waiting: deque[int] = deque()  # times of requests that are due and have no slot
        self._idle: list[asyncio.Future[int | None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._connections: set[Connection] = set()
        self._stopping = False
        self._left = 0

    def start(self, share: Share) -> None:
        self._stopping = False
        self._left = share.limit or -1
        self._spawn(self._patrol())
        if share.is_open:
            self._spawn(self._follow(share))
        else:
            for _ in range(share.slots):
                self._spawn(self._closed_slot(share.begin_ns))

    async def stop(self, grace_s: float) -> None:
        """Let requests in flight end, but wait no longer than this."""
        self._stopping = True
        self.waiting.clear()
        for slot in self._idle:
            if not slot.done():
                slot.set_result(None)
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=grace_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._idle.clear()

    def take(self) -> Records:
        """The records since the last time."""
        found, self.records = self.records, Records()
        return found

    # slots

    async def _closed_slot(self, begin_ns: int) -> None:
        await asyncio.sleep(max(begin_ns - time.monotonic_ns(), 0) / 1e9)
        slot = _Slot(self, self._messages())
        while not self._stopping and self._left:
            self._left -= 1
            await slot.exchange(None)
        await slot.finish()

    async def _open_slot(self, due_ns: int) -> None:
        slot = _Slot(self, self._messages())
        due: int | None = due_ns
        while due is not None and not self._stopping:
            await slot.exchange(due)
            if self.waiting:
                due = self.waiting.popleft()
            else:
                turn: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
                self._idle.append(turn)
                due = await turn
        await slot.finish()

    async def _follow(self, share: Share) -> None:
        """Hand out requests at their times."""
        timer = Timer(asyncio.get_running_loop())
        slots = burst = 0
        try:
            for due in due_times(share):
                if time.monotonic_ns() < due:
                    await timer.until(due)
                    burst = 0
                elif (burst := burst + 1) % BURST == 0:
                    await asyncio.sleep(0)
                if self._stopping or not self._left:
                    return
                self._left -= 1
                if self._idle:
                    self._idle.pop().set_result(due)
                elif slots < share.slots:
                    slots += 1
                    self._spawn(self._open_slot(due))
                else:
                    self.waiting.append(due)
        finally:
            timer.close()

    async def _patrol(self) -> None:
        """End requests that wait too long."""
        while not self._stopping:
            await asyncio.sleep(PATROL_S)
            now = time.monotonic_ns()
            for connection in tuple(self._connections):
                connection.expire(now)

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # what slots use

    async def open_connection(self) -> Connection:
        found = await self._connect()
        self._connections.add(found)
        return found

    def close_connection(self, connection: Connection) -> None:
        self._connections.discard(connection)
        connection.close()

    def keep(self, due_ns: int, sent_ns: int, connection: Connection | None, problem: str) -> None:
        """Record one request."""
        end = connection.end_ns if connection is not None else time.monotonic_ns()
        first, responses = end, 1
        if connection is not None:
            first = connection.first_ns or end
            if arrivals := connection.arrivals:
                first, responses = arrivals[0], len(arrivals)
                for before, after in itertools.pairwise(arrivals):
                    self.records.gaps.extend((after, after - before))
        self.records.times.extend((due_ns, sent_ns, first, end, responses, bool(problem)))
        if problem:
            errors = self.records.errors
            errors[problem if problem in errors or len(errors) < MOST_MESSAGES else "other errors"] += 1


class _Slot:
    """One request at a time, over one connection that is opened again when it is lost."""

    def __init__(self, driver: Driver, messages: Messages) -> None:
        self._driver, self._messages = driver, messages
        self._connection: Connection | None = None

    async def exchange(self, due_ns: int | None) -> None:
        """Send the next request and record how it went. due_ns: None for now."""
        connection = self._connection
        if connection is None or not connection.is_open:
            connection = await self._reopen(due_ns)
            if connection is None:
                return
        message = self._messages.next()
        sent = time.monotonic_ns()
        problem = await connection.send(message)
        self._driver.keep(sent if due_ns is None else due_ns, sent, connection, problem)
        if problem and not connection.is_open:
            self._messages.restart()
            await asyncio.sleep(BACK_OFF_S)

    async def finish(self) -> None:
        if self._connection is None:
            return
        if self._connection.is_open and (message := self._messages.last()) is not None:
            await self._connection.send(message)
        self._driver.close_connection(self._connection)

    async def _reopen(self, due_ns: int | None) -> Connection | None:
        """A new connection. A server that refuses it is a failed request."""
        if self._connection is not None:
            self._driver.close_connection(self._connection)
            self._connection = None
        start = time.monotonic_ns()
        try:
            self._connection = await self._driver.open_connection()
        except OSError as error:
            due = start if due_ns is None else due_ns
            self._driver.keep(due, start, None, f"cannot connect: {error.strerror or error}")
            await asyncio.sleep(BACK_OFF_S)
        return self._connection
