"""One HTTP/2 connection for gRPC, an asyncio protocol. grpcio's aio takes several times the processor time for a call.

A load tool that costs as much as the server measures itself; benchmarks/load_tool.md has the numbers. Header blocks do
not depend on each other: our own leave out the dynamic table, and the server is told that there is none, so a block
that was seen before need not be decoded again.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable, Mapping
from typing import Protocol, cast
from urllib.parse import unquote

from hpack import Decoder, Encoder, HPACKError, NeverIndexedHeaderTuple

from burnish.perf.client import http2_frames as h2
from burnish.perf.client.endpoint import Endpoint

SERVICE = "/inference.GRPCInferenceService/"
CODES = (
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
)  # fmt: skip
KEPT_BLOCKS = 256
REFILL = 2**30  # received bytes after which a window is filled again


class Listener(Protocol):
    """Hears of one call."""

    def on_data(self, data: bytes) -> None: ...

    def on_end(self, problem: str) -> None: ...


class _Call:
    """window: bytes that may still be sent; pending: those that wait for it."""

    __slots__ = ("ends", "listener", "pending", "received", "window")

    def __init__(self, listener: Listener, window: int) -> None:
        self.listener, self.window = listener, window
        self.pending, self.ends, self.received = memoryview(b""), False, 0


def header_block(endpoint: Endpoint, method: str, headers: Mapping[str, str], timeout_s: float | None) -> bytes:
    """The headers of a call; the same bytes for every call."""
    fields = [
        (":method", "POST"),
        (":scheme", "https" if endpoint.is_secure else "http"),
        (":path", f"{SERVICE}{method}"),
        (":authority", endpoint.authority),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("user-agent", "burnish-perf"),
        *((name.lower(), value) for name, value in headers.items()),
    ]
    if timeout_s is not None:
        fields.append(("grpc-timeout", f"{max(round(timeout_s * 1e3), 1)}m"))
    return bytes(Encoder().encode([NeverIndexedHeaderTuple(*f) for f in fields], huffman=False))


async def connect(endpoint: Endpoint, timeout_s: float) -> Http2Connection:
    """OSError if nobody answers there, or not in HTTP/2."""
    context = endpoint.context()
    if context is not None:
        context.set_alpn_protocols(["h2"])
    loop = asyncio.get_running_loop()
    name = endpoint.host if endpoint.is_secure else None

    connection = Http2Connection(loop)

    async def open_it() -> None:
        place = endpoint.host, endpoint.port
        await loop.create_connection(lambda: connection, *place, ssl=context, server_hostname=name)
        await connection.ready

    try:
        await asyncio.wait_for(open_it(), timeout_s)
    except BaseException as error:
        connection.close()
        if isinstance(error, asyncio.TimeoutError):
            raise ConnectionError("no connection within the time limit") from None
        raise
    return connection


class Http2Connection(asyncio.Protocol):
    """Carries several calls at a time. users: slots that share it; the last one to leave closes it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.ready: asyncio.Future[None] = loop.create_future()
        self.is_open, self.users = True, 0
        self._loop = loop
        self._waiting: list[bytes] = []
        self._transport: asyncio.Transport | None = None
        self._frames, self._decoder = h2.Frames(), Decoder()
        self._decoder.header_table_size = self._decoder.max_allowed_table_size = 0
        self._blocks: dict[bytes, str] = {}
        self._calls: dict[int, _Call] = {}
        self._next = 1
        self._window = self._first_window = h2.FIRST_WINDOW
        self._largest = h2.FIRST_FRAME
        self._received = 0
        self._header, self._header_ends = b"", False

    # what calls use

    def call(self, block: bytes, listener: Listener, message: bytes | None) -> int:
        """Begin a call; with a message it is the only one. The result is the call's number."""
        number, self._next = self._next, self._next + 2
        if not self.is_open:
            listener.on_end("the server closed the connection")
            return number
        if self._next > h2.LARGEST_STREAM:
            self.is_open = False  # the slots go on with another connection
        self._calls[number] = _Call(listener, self._first_window)
        self._write(h2.frame(h2.HEADERS, h2.END_HEADERS, number, block))
        if message is not None:
            self.send(number, message, ends=True)
        return number

    def send(self, number: int, message: bytes, ends: bool = False) -> None:
        """Send one message of a call. ends: it is the last."""
        call = self._calls.get(number)
        if call is None:
            return
        call.pending = memoryview(bytes(call.pending) + b"\0" + struct.pack(">I", len(message)) + message)
        call.ends = ends
        self._push(number, call)

    def cancel(self, number: int) -> None:
        """End a call without telling its listener."""
        if self._calls.pop(number, None) is not None:
            self._write(h2.frame(h2.RST_STREAM, 0, number, struct.pack(">I", h2.CANCEL)))

    def leave(self) -> None:
        self.users -= 1
        if self.users <= 0:
            self.close()

    def close(self) -> None:
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        own = {h2.TABLE_SIZE: 0, h2.ENABLE_PUSH: 0, h2.INITIAL_WINDOW: h2.LARGEST_WINDOW}
        self._write(h2.PREFACE + h2.settings(own) + h2.window_update(0, h2.LARGEST_WINDOW - h2.FIRST_WINDOW))

    def data_received(self, data: bytes) -> None:
        try:
            for kind, flags, stream, payload in self._frames.feed(data):
                if kind == h2.DATA:
                    self._on_data(flags, stream, payload)
                elif kind in (h2.HEADERS, h2.CONTINUATION):
                    self._on_headers(kind, flags, stream, payload)
                else:
                    self._on_control(kind, flags, stream, payload)
        except (HPACKError, ValueError, IndexError, struct.error) as error:
            self._lose(f"the answer is not gRPC: {error}")

    def connection_lost(self, error: Exception | None) -> None:
        self._lose("the server closed the connection before it answered")

    # frames

    def _on_data(self, flags: int, stream: int, payload: bytes) -> None:
        self._received += len(payload)
        if self._received > REFILL:
            self._write(h2.window_update(0, self._received))
            self._received = 0
        if (call := self._calls.get(stream)) is None:
            return
        call.received += len(payload)
        if call.received > REFILL:
            self._write(h2.window_update(stream, call.received))
            call.received = 0
        call.listener.on_data(payload)
        if flags & h2.END_STREAM:
            self._end(stream, call, "the server ended the call without a status")

    def _on_headers(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == h2.HEADERS:
            self._header, self._header_ends = b"", bool(flags & h2.END_STREAM)
        self._header += payload
        if not flags & h2.END_HEADERS:
            return
        problem = self._blocks.get(self._header)
        if problem is None:
            problem = problem_of(self._decoder.decode(self._header))
            if len(self._blocks) < KEPT_BLOCKS:
                self._blocks[self._header] = problem
        call = self._calls.get(stream)
        if call is not None and (self._header_ends or (problem and problem != NO_STATUS)):
            self._end(stream, call, problem)

    def _on_control(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == h2.SETTINGS and not flags & h2.ACK:
            self._on_settings(h2.read_settings(payload))
        elif kind == h2.PING and not flags & h2.ACK:
            self._write(h2.frame(h2.PING, h2.ACK, 0, payload))
        elif kind == h2.WINDOW_UPDATE:
            self._on_window(stream, h2.number(payload))
        elif kind == h2.RST_STREAM and (call := self._calls.get(stream)) is not None:
            self._end(stream, call, f"the server reset the call (HTTP/2 code {h2.number(payload)})")
        elif kind == h2.GOAWAY:
            self.is_open = False
            for number in [n for n in self._calls if n > h2.number(payload)]:
                self._end(number, self._calls[number], "the server is going away")

    def _on_settings(self, values: Mapping[int, int]) -> None:
        first = values.get(h2.INITIAL_WINDOW, self._first_window)
        self._largest = values.get(h2.LARGEST_FRAME, self._largest)
        grown, self._first_window = first - self._first_window, first
        self._write(h2.frame(h2.SETTINGS, h2.ACK, 0))
        for number, call in list(self._calls.items()):
            call.window += grown
            self._push(number, call)
        if not self.ready.done():
            self.ready.set_result(None)

    def _on_window(self, stream: int, size: int) -> None:
        if stream == 0:
            self._window += size
            for number, call in list(self._calls.items()):
                self._push(number, call)
        elif (own := self._calls.get(stream)) is not None:
            own.window += size
            self._push(stream, own)

    # sending and ending

    def _push(self, number: int, call: _Call) -> None:
        """Send what the windows allow of what is pending."""
        while size := min(len(call.pending), self._largest, self._window, call.window):
            if size < 0:
                return
            part, call.pending = call.pending[:size], call.pending[size:]
            call.window -= size
            self._window -= size
            is_last = call.ends and not call.pending
            self._write(h2.frame(h2.DATA, h2.END_STREAM if is_last else 0, number, bytes(part)))

    def _write(self, data: bytes) -> None:
        """Leave the bytes for the end of this turn of the loop: one system call then carries all calls' frames."""
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(data)

    def flush(self) -> None:
        """Send what was left."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(b"".join(self._waiting))
        self._waiting.clear()

    def _end(self, number: int, call: _Call, problem: str) -> None:
        del self._calls[number]
        call.listener.on_end(problem)

    def _lose(self, problem: str) -> None:
        self.close()
        if not self.ready.done():
            self.ready.set_exception(ConnectionError("the server does not speak HTTP/2"))
            self.ready.exception()  # nobody may wait for it any more
        for number in list(self._calls):
            self._end(number, self._calls[number], problem)


NO_STATUS = "the server ended the call without a status"


def problem_of(headers: Iterable[tuple[str | bytes, str | bytes]]) -> str:
    """What a block of headers or trailers says: nothing for success, and NO_STATUS for a block without a status."""
    found = {_text(name): _text(value) for name, value in headers}
    if found.get(":status", "200") != "200":
        return f"HTTP status {found[':status']}"
    code = found.get("grpc-status")
    if code is None:
        return NO_STATUS
    name = CODES[int(code)] if int(code) < len(CODES) else code
    return "" if code == "0" else f"{name}: {unquote(found.get('grpc-message', ''))}"


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
