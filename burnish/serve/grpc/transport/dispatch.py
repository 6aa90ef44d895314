"""The calls of one connection: their messages in, their handlers, their end."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from burnish.serve.grpc.transport import frames
from burnish.serve.grpc.transport.call import Call, Method, Streaming, Unary
from burnish.serve.grpc.transport.header_blocks import Head
from burnish.serve.grpc.transport.limits import Limits
from burnish.serve.grpc.transport.messages import PREFIX_BYTES, MessageReader
from burnish.serve.grpc.transport.outlet import Outlet
from burnish.serve.grpc.transport.status import GrpcError, Status

log = logging.getLogger("burnish.serve.grpc")


class Host(Protocol):
    """What the calls of all connections share: the server.

    buffered    bytes of messages that are not complete, or that no handler has taken
    rest        called when all that a connection sent has been answered in place
    """

    methods: Mapping[str, Method]
    limits: Limits
    buffered: int
    rest: Callable[[], None] | None


class Dispatcher:
    """on_idle is called whenever a call ends and none is left."""

    def __init__(
        self, host: Host, loop: asyncio.AbstractEventLoop, outlet: Outlet, on_idle: Callable[[], None]
    ) -> None:
        self._host, self._loop, self._outlet, self._on_idle = host, loop, outlet, on_idle
        self._limits = host.limits
        self.peer = ""
        self.calls: dict[int, Call] = {}
        outlet.on_sent = self._sent

    def open(self, stream: int, head: Head, is_end: bool) -> None:
        """A client's headers: a call begins."""
        outlet = self._outlet
        call = Call(
            outlet,
            self.consumed,
            stream,
            head,
            self.peer,
            outlet.first_window,
            self._loop.time(),
            self._limits.unsent_bytes,
        )
        self.calls[stream] = call
        call.client_is_done = is_end
        method = self._host.methods.get(head.path)
        if method is None or head.refusal is not None:
            call.fail(head.refusal or GrpcError(Status.UNIMPLEMENTED, f"unknown method {head.path}"))
            return
        call.method = method
        if type(method) is Streaming:
            self._start(call, self._stream(call, method))
        elif is_end:
            call.fail(GrpcError(Status.INTERNAL, "a unary call has one message, this one has none"))

    def whole(self, call: Call, payload: bytes) -> bool:
        """Take a unary call's only piece of data if it is its one message, as it is. False: `feed` is to look at it."""
        count = len(payload) - PREFIX_BYTES
        if call.reader is not None or type(call.method) is not Unary or not 0 <= count <= self._limits.message_bytes:
            return False
        if payload[0] or int.from_bytes(payload[1:PREFIX_BYTES], "big") != count:
            return False
        call.client_is_done = True
        if not call.is_over:
            self._run(call, call.method, payload[PREFIX_BYTES:])
        return True

    def feed(self, call: Call, payload: bytes, is_end: bool) -> None:
        """Any other data, and the client's end."""
        call.client_is_done = call.client_is_done or is_end
        if call.is_over:
            return
        if call.reader is None:
            call.reader = MessageReader(call.head.encoding, self._limits.message_bytes)
        reader, host = call.reader, self._host
        before, call.fed_at = reader.held, self._loop.time()
        call.began_at = call.began_at if before or type(call.method) is Unary else call.fed_at
        try:
            messages = reader.feed(payload) if payload else []
            growth = reader.held - before + sum(map(len, messages))
            call.held += growth
            host.buffered += growth
            if host.buffered > self._limits.buffered_bytes:
                raise GrpcError(Status.RESOURCE_EXHAUSTED, "the server holds too many unfinished messages")
            if is_end and reader.held:
                raise GrpcError(Status.INTERNAL, "the last message is cut short")
            call.received(messages)
            if type(call.method) is Unary:
                self._take_unary(call, call.method)
        except GrpcError as error:
            call.fail(error)
            call.run_cancel_callbacks()
        else:
            self._acknowledge(call)

    def consumed(self, call: Call, size: int) -> None:
        """A stream's handler took a message."""
        if call.held:  # else the call has ended, and counts no more
            call.held -= size
            self._host.buffered -= size
            call.fed_at = call.began_at = self._loop.time()
            self._acknowledge(call)

    def cancel(self, stream: int) -> None:
        """The client cancels a call."""
        call = self.calls.pop(stream, None)
        if call is not None:
            self._forget(call)
            if call.pending:
                call.pending.clear()
            call.cancelled()
            if not self.calls:
                self._on_idle()

    def cancel_all(self) -> None:
        """The client is gone."""
        for stream in list(self.calls):
            self.cancel(stream)

    def stop_all(self, error: GrpcError) -> None:
        """The server goes."""
        for call in list(self.calls.values()):
            call.fail(error)
            call.run_cancel_callbacks()

    def check_time(self, now: float) -> None:
        """End calls whose message does not come, and answers that nobody takes."""
        stall_s = self._limits.stall_s
        for call in list(self.calls.values()):
            if call.is_ending:
                if now - call.moved_at > stall_s:
                    self._outlet.control(frames.reset(call.id, frames.CANCEL))
                    self.cancel(call.id)
            elif now > self._late_at(call):
                call.fail(GrpcError(Status.DEADLINE_EXCEEDED, "the message did not come in time"))
                call.run_cancel_callbacks()

    def _late_at(self, call: Call) -> float:
        """When the message that is to come next is too late. A stream may be silent between two messages, and need
        not send on what its handler does not take."""
        held = call.reader.held if call.reader is not None else 0
        is_awaited = type(call.method) is Unary or (held and not call.inbox)
        if call.client_is_done or call.is_over or not is_awaited:
            return math.inf
        limits = self._limits
        return min(call.fed_at, call.began_at + held / limits.slowest_bytes_s) + limits.stall_s

    def _take_unary(self, call: Call, method: Unary) -> None:
        """A unary call's message waits until the client says that it was the only one."""
        inbox = call.inbox
        if len(inbox) > 1 or (call.client_is_done and not inbox):
            raise GrpcError(Status.INTERNAL, f"a unary call has one message, this one has {len(inbox) or 'none'}")
        if call.client_is_done:
            self._forget(call)
            self._run(call, method, inbox.popleft())

    def _acknowledge(self, call: Call) -> None:
        """Let the client send on, unless its stream's handler lags behind."""
        window = self._limits.stream_window
        if call.client_is_done or call.is_over or call.unacknowledged * 2 < window:
            return
        if not call.inbox or call.held < window:
            self._outlet.control(frames.window_update(call.id, call.unacknowledged))
            call.unacknowledged = 0

    def _run(self, call: Call, method: Unary, message: bytes) -> None:
        if call.deadline is not None and call.deadline <= self._loop.time():
            call.expired()
            return
        try:
            answer = method.handler(message, call)
        except Exception as error:
            self._fail(call, error)
            return
        if type(answer) is bytes:
            call.reply(answer)
        elif call.is_over:
            pass
        elif answer is not None:
            self._start(call, self._answer(call, answer))  # type: ignore[arg-type]  # bytes are dealt with
        else:
            self._set_timer(call)

    def _start(self, call: Call, work: Awaitable[None]) -> None:
        call.task = self._loop.create_task(work)  # type: ignore[arg-type]  # a coroutine of ours
        self._set_timer(call)

    def _set_timer(self, call: Call) -> None:
        if call.deadline is not None:
            call.timer = self._loop.call_at(call.deadline, call.expired)

    async def _answer(self, call: Call, answer: Awaitable[bytes]) -> None:
        try:
            call.reply(await answer)
        except asyncio.CancelledError:
            self._fail(call, GrpcError(Status.CANCELLED, "the call was cancelled"))
        except Exception as error:
            self._fail(call, error)

    async def _stream(self, call: Call, method: Streaming) -> None:
        try:
            await method.handler(call)
            call.finish()
        except asyncio.CancelledError:
            self._fail(call, GrpcError(Status.CANCELLED, "the call was cancelled"))
        except Exception as error:
            self._fail(call, error)

    def _fail(self, call: Call, error: BaseException) -> None:
        if not isinstance(error, GrpcError):
            log.error("%s failed", call.head.path, exc_info=error)
            error = GrpcError(Status.INTERNAL, "internal error; the server's log has the details")
        call.fail(error)

    def _sent(self, call: Call) -> None:
        """A call is sent to its end."""
        if self.calls.pop(call.id, None) is None:
            return
        self._forget(call)
        if not call.client_is_done:
            self._outlet.control(frames.reset(call.id, frames.NO_ERROR))
        if not self.calls:
            self._on_idle()

    def _forget(self, call: Call) -> None:
        self._host.buffered -= call.held
        call.held = 0
