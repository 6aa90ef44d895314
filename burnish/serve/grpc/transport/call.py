"""One call: what its handler sees of it, and how far it is."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from burnish.serve.grpc.transport.header_blocks import Head, Metadata
from burnish.serve.grpc.transport.messages import MessageReader
from burnish.serve.grpc.transport.status import GrpcError, Status

Answer = bytes | Awaitable[bytes] | None


@dataclass(frozen=True, slots=True)
class Unary:
    """handler(message, call) gives the answer, or something to await for it, or None if it calls `call.reply` or
    `call.fail` later. It may raise GrpcError."""

    handler: Callable[[bytes, Call], Answer]


@dataclass(frozen=True, slots=True)
class Streaming:
    """handler(call) reads `call.messages()` and calls `call.write`; the call is OK when it returns."""

    handler: Callable[[Call], Awaitable[None]]


Method = Unary | Streaming


class Wire(Protocol):
    """How a call's answers leave."""

    def reply(self, call: Call, message: bytes) -> None: ...
    def message(self, call: Call, message: bytes) -> None: ...
    def end(self, call: Call, status: int, message: str) -> None: ...


class Call:
    """Lives on the event loop's thread, and all its methods are to be called there.

    peer               the client's address
    deadline           of the loop's clock; None without one
    is_over            answered, cancelled or expired: whatever is sent from now on is dropped
    initial_metadata   sent before the first message; trailing_metadata with the status
    """

    # The others belong to the connection: `window` is what the client lets us send, `pending` waits for it, `unsent`
    # bytes; `unacknowledged` came in without our saying so, `held` counts in the server's budget; at
    # `moved_at` the last piece of an answer went out that is still under way, at `began_at` the message began that
    # comes in, at `fed_at` its last piece came.
    __slots__ = (
        "_consumed", "_largest_unsent", "_on_cancel", "_waiting_reader", "_waiting_writer", "_wire", "began_at",
        "client_is_done", "deadline", "fed_at", "has_begun", "head", "held", "id", "inbox", "initial_metadata",
        "is_ending", "is_over", "is_queued", "method", "moved_at", "peer", "pending", "reader", "task", "timer",
        "trailing_metadata", "unacknowledged", "unsent", "window",
    )  # fmt: skip

    def __init__(
        self,
        wire: Wire,
        consumed: Callable[[Call, int], None],
        id: int,
        head: Head,
        peer: str,
        window: int,
        now: float,
        largest_unsent: int,
    ) -> None:
        self._wire, self._consumed, self.id, self.head, self.peer = wire, consumed, id, head, peer
        self._largest_unsent, self.unsent = largest_unsent, 0
        self.method: Method | None = None
        self.deadline = None if head.timeout_s is None else now + head.timeout_s
        self.began_at = self.fed_at = now
        self.is_over = self.client_is_done = self.has_begun = self.is_ending = self.is_queued = False
        self.initial_metadata: Metadata = ()
        self.trailing_metadata: Metadata = ()
        self.window, self.unacknowledged, self.held = window, 0, 0
        self.moved_at = 0.0
        self.pending: deque[bytes | memoryview] | None = None
        self.inbox: deque[bytes] = deque()
        self.reader: MessageReader | None = None
        self.task: asyncio.Task[None] | None = None
        self.timer: asyncio.TimerHandle | None = None
        self._on_cancel: list[Callable[[], None]] | None = None
        self._waiting_reader: asyncio.Future[None] | None = None
        self._waiting_writer: asyncio.Future[None] | None = None

    @property
    def metadata(self) -> Metadata:
        """Names and values in the client's order; a name that ends in -bin has bytes."""
        return self.head.metadata

    def on_cancel(self, callback: Callable[[], None]) -> None:
        """Called once if the client cancels, goes away, or its deadline passes before the answer."""
        if self._on_cancel is None:
            self._on_cancel = []
        self._on_cancel.append(callback)

    def reply(self, message: bytes) -> None:
        """The only message, and the call's end."""
        if not self.is_over:
            self._end()
            self._wire.reply(self, message)

    def fail(self, error: GrpcError) -> None:
        if not self.is_over:
            self._end()
            self._wire.end(self, error.status, error.message)

    def write(self, message: bytes) -> None:
        """One of several messages. It waits in memory until the client takes it: await `drain` now and then, since the
        call fails if too much waits."""
        if self.is_over:
            return
        if self.unsent > self._largest_unsent:
            self.fail(GrpcError(Status.RESOURCE_EXHAUSTED, "the client takes its answers too slowly"))
            self.run_cancel_callbacks()
        else:
            self._wire.message(self, message)

    def finish(self) -> None:
        """The end after the last message."""
        if not self.is_over:
            self._end()
            self._wire.end(self, Status.OK, "")

    async def drain(self) -> None:
        """Wait until the client has taken what was written."""
        while self.pending and not self.is_over:
            self._waiting_writer = asyncio.get_running_loop().create_future()
            await self._waiting_writer

    async def messages(self) -> AsyncIterator[bytes]:
        """The client's messages until it sends no more."""
        inbox = self.inbox
        while True:
            while inbox:
                message = inbox.popleft()
                self._consumed(self, len(message))
                yield message
            if self.client_is_done or self.is_over:
                return
            self._waiting_reader = asyncio.get_running_loop().create_future()
            await self._waiting_reader

    def received(self, messages: list[bytes]) -> None:
        """From the connection: messages of a stream, or that there will be no more."""
        self.inbox.extend(messages)
        _wake(self._waiting_reader)

    def drained(self) -> None:
        """From the connection: nothing is pending."""
        _wake(self._waiting_writer)

    def cancelled(self) -> None:
        """From the connection: nobody waits for the answer."""
        if not self.is_over:
            self._end()
            self.run_cancel_callbacks()

    def expired(self) -> None:
        """From the connection's timer. What the client has not taken is dropped, or the end would wait for it."""
        if not self.is_over:
            if self.pending:
                self.pending = deque(entry for entry in self.pending if isinstance(entry, bytes))
            self.fail(GrpcError(Status.DEADLINE_EXCEEDED, "Deadline Exceeded"))
            self.run_cancel_callbacks()

    def run_cancel_callbacks(self) -> None:
        if self.task is not None:
            self.task.cancel()
        callbacks, self._on_cancel = self._on_cancel, None
        for callback in callbacks or ():
            callback()

    def _end(self) -> None:
        self.is_over = True
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        _wake(self._waiting_reader)
        _wake(self._waiting_writer)


def _wake(waiting: asyncio.Future[None] | None) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(None)
