"""One connection: bytes to requests, answers to bytes, in order, within limits.

Requests of one connection are answered one after the other. While one is under way further ones are parsed and wait,
up to a limit; then reading stops. Reading goes on otherwise, for that is how a client that left is noticed.
"""

from __future__ import annotations

import asyncio
import collections
import logging
from collections.abc import Callable
from typing import Any, Protocol

import httptools

from burnish.serve.http.wire.exchange import Exchange
from burnish.serve.http.wire.limits import Limits

_LOG = logging.getLogger(__name__)
_LINGER_S = 2.0  # after a refusal: how long what the client still sends is thrown away, so that it reads the answer
_NEVER = float("inf")


class Port(Protocol):
    """The listener that a connection came to."""

    limits: Limits
    is_draining: bool
    held_bytes: int
    handle: Callable[[Exchange], None]
    rest: Callable[[], None] | None

    def now(self) -> float: ...

    def add(self, connection: Connection) -> bool: ...

    def remove(self, connection: Connection) -> None: ...

    def report(self, exchange: Exchange) -> None: ...


class Connection(asyncio.Protocol):
    """deadline: when the listener ends this connection (the loop's clock), unless something happens first."""

    __slots__ = (
        "_body",
        "_body_began",
        "_expects",
        "_header_bytes",
        "_headers",
        "_held_bytes",
        "_in_body",
        "_is_advancing",
        "_is_lingering",
        "_is_paused",
        "_is_reading",
        "_is_unread",
        "_listener",
        "_parser",
        "_queue",
        "_size",
        "_transport",
        "_unread_bytes",
        "_url",
        "current",
        "deadline",
        "is_lost",
    )  # fmt: skip

    def __init__(self, listener: Port) -> None:
        self._listener = listener
        self._parser = httptools.HttpRequestParser(self)
        self._transport: Any = None
        self._queue: collections.deque[Exchange] = collections.deque()
        self.current: Exchange | None = None
        self.is_lost = False
        self.deadline = _NEVER
        self._is_reading = True  # False once a request was refused: nothing after it is parsed
        self._is_lingering = self._is_advancing = self._is_paused = self._is_unread = False
        self._held_bytes = self._unread_bytes = 0
        self._body_began = 0.0
        self._clear()

    def _clear(self) -> None:
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._header_bytes = self._size = 0
        self._body: list[bytes] = []
        self._in_body = self._expects = False

    # --- asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self.deadline = self._listener.now() + self._listener.limits.idle_s
        if not self._listener.add(self):
            self._refuse(503, "too many connections")

    def connection_lost(self, error: Exception | None) -> None:
        self.is_lost = True
        self._listener.remove(self)
        self._hold(-self._held_bytes)
        waiting = [self.current, *self._queue] if self.current else list(self._queue)
        self._queue.clear()
        self.current = None
        for exchange in waiting:
            _call_gone(exchange)

    def data_received(self, data: bytes) -> None:
        if not self._is_reading:
            return
        limits = self._listener.limits
        if not self._header_bytes:  # a request's first bytes
            self.deadline = self._listener.now() + limits.header_s
        elif self._in_body:
            now = self._listener.now()
            self.deadline = min(now, self._body_began + self._size / limits.slowest_bytes_s) + limits.stall_s
        if not self._in_body:
            self._header_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:  # an offer of another protocol: passed over
            self._parser = httptools.HttpRequestParser(self)
            rest = data[upgrade.args[0] :]
            if rest and self._is_reading:
                self.data_received(rest)
        except httptools.HttpParserError as error:
            _LOG.debug("malformed request: %s", error)
            self._refuse(400, "malformed HTTP request")
        if not self._in_body and self._header_bytes > 2 * limits.header_bytes and self._is_reading:
            self._refuse(431, "request headers are too large")
        if self.current or self._is_advancing:
            self.deadline = _NEVER if not self._is_unread else self.deadline
        elif self._listener.rest is not None and not self._header_bytes:
            self._listener.rest()
        self._pause_if_full()

    def pause_writing(self) -> None:
        self._is_unread = True
        self._unread_bytes = self._transport.get_write_buffer_size()
        self.deadline = self._listener.now() + self._listener.limits.stall_s
        self._pause_if_full()

    def resume_writing(self) -> None:
        self._is_unread = False
        self._set_deadline()
        self._pause_if_full()

    # --- httptools ---

    def on_message_begin(self) -> None:
        was = self._header_bytes
        self._clear()
        self._header_bytes = max(was, 1)

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        limits, headers = self._listener.limits, self._headers
        self._in_body, self._body_began = True, self._listener.now()
        if sum(map(len, headers)) + sum(map(len, headers.values())) + len(self._url) > limits.header_bytes:
            self._refuse(431, "request headers are too large")
        elif int(headers.get(b"content-length", b"0")) > limits.body_bytes:
            self._refuse(413, f"the request body is larger than {limits.body_bytes} bytes")
        elif b"expect" in headers:
            self._expects = headers[b"expect"].lower() == b"100-continue"
            if not self._expects:
                self._refuse(417, "the only expectation that is met is 100-continue")
            elif self.current is None and not self._queue:
                self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                self._expects = False

    def on_body(self, data: bytes) -> None:
        self._size += len(data)
        if not self._is_reading:
            return
        if self._size > self._listener.limits.body_bytes:
            self._refuse(413, f"the request body is larger than {self._listener.limits.body_bytes} bytes")
        elif self._listener.held_bytes + len(data) > self._listener.limits.held_bytes:
            self._refuse(503, "the requests that are under way are too large together")
        else:
            self._body.append(data)
            self._hold(len(data))

    def on_message_complete(self) -> None:
        if not self._is_reading:
            return
        parser = self._parser
        exchange = Exchange(self, parser.get_method(), self._url.partition(b"?")[0], self._headers)
        body = self._body
        exchange.body = body[0] if len(body) == 1 else b"".join(body)
        exchange.held_bytes = len(exchange.body)
        exchange.is_kept = parser.should_keep_alive()
        exchange.is_old = parser.get_http_version() == "1.0"
        self._clear()
        self._queue.append(exchange)
        if not exchange.is_kept:
            self._is_reading = False
        if self.current is None:
            self._advance()

    # --- answers ---

    @property
    def is_ending(self) -> bool:
        """The answer under way is the last."""
        return self._listener.is_draining and not self._queue

    def write(self, data: bytes) -> None:
        if not self.is_lost:
            self._transport.write(data)

    def limit_unsent(self) -> None:
        """A client that reads a stream more slowly than the model writes it cannot fill the memory."""
        if not self.is_lost and self._transport.get_write_buffer_size() > self._listener.limits.unsent_bytes:
            self.abort()

    def finish(self, exchange: Exchange) -> None:
        """The answer has been written."""
        exchange.on_gone = None
        if exchange is not self.current:
            return
        self.current = None
        self._hold(-exchange.held_bytes)
        if self.is_lost:
            return
        if not exchange.is_kept:
            self._close(is_refused=exchange.refusal is not None)
            return
        if self._expects and not self._queue:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._expects = False
        self._set_deadline()
        self._advance()

    def abort(self) -> None:
        """End the connection now. An answer that is not complete stays so, which its client sees."""
        if not self.is_lost:
            self.is_lost = True
            self._transport.abort()

    def shut(self) -> None:
        """From now on the answer under way is the last; an idle connection ends at once."""
        if self.current is None and not self._queue and not self._header_bytes:
            self._close()

    def expire(self) -> None:
        """The deadline has passed."""
        if self._is_unread and self._transport.get_write_buffer_size() < self._unread_bytes:
            self.pause_writing()  # the client reads, if slowly
        elif self._is_lingering or self._is_unread:
            self.abort()
        elif self._header_bytes and self._is_reading and self.current is None:
            self._refuse(408, "the request did not come in time")
        elif self.current is None:
            self._close()

    def _advance(self) -> None:
        """Start the requests that wait. Those that are answered at once do not pile up on the stack."""
        if self._is_advancing:
            return
        self._is_advancing = True
        try:
            while self._queue and self.current is None and not self._is_lingering:
                self.current = self._queue.popleft()
                self._set_deadline()
                self._start(self.current)
        finally:
            self._is_advancing = False
        self._pause_if_full()

    def _start(self, exchange: Exchange) -> None:
        try:
            if exchange.refusal is not None:
                exchange.fail(*exchange.refusal)
            else:
                self._listener.handle(exchange)
        except Exception:
            self._listener.report(exchange)

    def _refuse(self, status: int, message: str) -> None:
        """Answer this request with an error once those before it are answered, then end the connection."""
        if not self._is_reading:
            return
        self._is_reading = False
        exchange = Exchange(self, b"", self._url, self._headers)
        exchange.refusal, exchange.is_kept = (status, message), False
        self._queue.append(exchange)
        if self.current is None:
            self._advance()

    def _hold(self, size: int) -> None:
        self._held_bytes += size
        self._listener.held_bytes += size

    def _set_deadline(self) -> None:
        limits = self._listener.limits
        if self._is_unread:
            self.deadline = self._listener.now() + limits.stall_s
        elif self.current is not None:
            self.deadline = _NEVER
        else:
            self.deadline = self._listener.now() + (limits.stall_s if self._header_bytes else limits.idle_s)

    def _pause_if_full(self) -> None:
        is_full = len(self._queue) >= self._listener.limits.pipelined or self._is_unread
        if is_full != self._is_paused and not self.is_lost and not self._transport.is_closing():
            self._is_paused = is_full
            if is_full:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _close(self, is_refused: bool = False) -> None:
        self._is_reading = False
        if is_refused and self._transport.can_write_eof():
            self._is_lingering = True
            self.deadline = self._listener.now() + _LINGER_S
            self._transport.write_eof()
        else:
            self._transport.close()


def _call_gone(exchange: Exchange) -> None:
    call, exchange.on_gone = exchange.on_gone, None
    if call is None:
        return
    try:
        call()
    except Exception:
        _LOG.exception("a request whose client left could not be cancelled")
