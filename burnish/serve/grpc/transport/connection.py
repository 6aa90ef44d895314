"""One client's connection: HTTP/2's frames become calls."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, cast

from burnish.serve.grpc.transport import frames
from burnish.serve.grpc.transport.dispatch import Dispatcher, Host
from burnish.serve.grpc.transport.frames import ConnectionFault, StreamFault
from burnish.serve.grpc.transport.header_blocks import HeaderReader, encoded
from burnish.serve.grpc.transport.outlet import Outlet
from burnish.serve.grpc.transport.status import GrpcError

_HTTP_ANSWERS = {
    405: encoded([(b":status", b"405"), (b"allow", b"POST")]),
    415: encoded([(b":status", b"415"), (b"accept-post", b"application/grpc")]),
}
_MAX_CONTINUATIONS = 16
_LINGER_S = 1.0


class Server(Host, Protocol):
    """What connections tell the server."""

    compression_level: int

    @property
    def is_full(self) -> bool: ...

    def opened(self, connection: Connection) -> None: ...
    def closed(self, connection: Connection) -> None: ...


class Connection(asyncio.Protocol):
    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop) -> None:
        self._server, self._limits, self._loop = server, server.limits, loop
        self._transport: asyncio.Transport | None = None
        self._outlet = Outlet(loop, server.compression_level)
        self._dispatcher = Dispatcher(server, loop, self._outlet, self._close_if_drained)
        self._calls = self._dispatcher.calls
        self._headers = HeaderReader(server.limits.header_bytes)
        self._rest = b""
        self._has_preface = self._has_settings = self._is_draining = False
        self._last_stream, self._last_allowed = 0, frames.LARGEST_STREAM
        self._unacknowledged = 0
        self._block: tuple[int, int, list[bytes]] | None = None  # headers that CONTINUATION frames go on with
        self._patience = float(server.limits.resets)
        self._patience_at = self._opened_at = self._heard_at = self._frame_at = loop.time()
        self._asked_at: float | None = None
        self._paused_at: float | None = None
        self._on_frame = (
            self._on_data, self._on_headers, self._on_priority, self._on_reset, self._on_settings, self._on_push,
            self._on_ping, self._on_goaway, self._on_window_update, self._on_continuation,
        )  # fmt: skip

    # What asyncio calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        tls = transport.get_extra_info("ssl_object")
        is_foreign = tls is not None and tls.selected_alpn_protocol() != "h2"
        if is_foreign or self._server.is_full:
            transport.close()
            self._transport = None
            return
        self._server.opened(self)
        self._dispatcher.peer = peer_text(transport.get_extra_info("peername"))
        limits = self._limits
        self._transport.set_write_buffer_limits(high=limits.write_bytes)
        self._outlet.open(self._transport)
        wanted = {
            frames.MAX_STREAMS: limits.streams,
            frames.INITIAL_WINDOW: limits.stream_window,
            frames.MAX_FRAME: limits.frame_bytes,
            frames.MAX_HEADER_LIST: limits.header_bytes,
        }
        self._outlet.control(frames.settings(wanted))
        self._outlet.control(frames.window_update(0, limits.connection_window - frames.FIRST_WINDOW))

    def data_received(self, data: bytes) -> None:
        if self._transport is None:
            return
        outlet = self._outlet
        outlet.is_held = True
        self._heard_at = self._loop.time()
        try:
            data, had_rest = self._rest + data if self._rest else data, bool(self._rest)
            consumed = self._read(data)
            self._rest = data[consumed:]
            if consumed or not had_rest:
                self._frame_at = self._heard_at
        except ConnectionFault as fault:
            self._abort(fault)
        outlet.is_held = False
        outlet.flush()
        if self._server.rest is not None and not self._calls and not self._rest:
            self._server.rest()

    def pause_writing(self) -> None:
        self._outlet.pause()
        self._paused_at = self._loop.time()
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused_at, self._frame_at = None, self._loop.time()
        if self._transport is not None:
            self._transport.resume_reading()
        self._outlet.resume()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._outlet.close()
        self._dispatcher.cancel_all()
        self._server.closed(self)

    # What the server calls.

    @property
    def active_calls(self) -> int:
        return len(self._calls)

    def drain(self) -> None:
        """Take no new calls: a first GOAWAY for those on their way, the final one when the client answers a PING."""
        if not self._is_draining:
            self._is_draining = True
            self._outlet.control(frames.goaway(frames.LARGEST_STREAM, frames.NO_ERROR))
            self._outlet.control(frames.frame(frames.PING, 0, 0, b"draining"))

    def drained(self) -> None:
        """The final GOAWAY; the connection ends with its last call."""
        if self._is_draining and self._last_allowed == frames.LARGEST_STREAM:
            self._last_allowed = self._last_stream
            self._outlet.control(frames.goaway(self._last_stream, frames.NO_ERROR))
            self._close_if_drained()

    def stop(self, error: GrpcError) -> None:
        """End every call with this error, and the connection."""
        self._dispatcher.stop_all(error)
        self._close()

    def check_time(self, now: float) -> None:
        """Now and then: end what takes too long."""
        limits = self._limits
        if self._transport is None:
            return
        is_waiting = self._paused_at is None and bool(self._rest or self._block)  # for the rest of a frame
        frame_s = limits.stall_s + limits.frame_bytes / limits.slowest_bytes_s
        if now - (self._paused_at or now) > limits.stall_s or (is_waiting and now - self._frame_at > frame_s):
            self._transport.abort()
            return
        if not self._has_settings:
            if now - self._opened_at > limits.handshake_s:
                self._transport.abort()
            return
        self._dispatcher.check_time(now)
        if self._asked_at is not None and self._heard_at < self._asked_at:
            if now - self._asked_at > limits.keepalive_answer_s:
                self._transport.abort()
        elif now - self._heard_at > limits.keepalive_s:
            self._asked_at = now
            self._outlet.control(frames.frame(frames.PING, 0, 0, b"stillup?"))

    # Frames.

    def _read(self, data: bytes) -> int:
        """Act on every complete frame; how many bytes they were."""
        position = 0
        if not self._has_preface:
            preface = frames.PREFACE
            if data[: len(preface)] != preface[: len(data)]:
                raise ConnectionFault(frames.PROTOCOL_ERROR, "this port speaks HTTP/2 (gRPC)")
            if len(data) < len(preface):
                return 0
            self._has_preface, position = True, len(preface)
        unpack, head_bytes, on_frame = frames.HEAD.unpack_from, frames.HEAD_BYTES, self._on_frame
        end, largest = len(data), self._limits.frame_bytes
        while end - position >= head_bytes:
            high, low, kind, flags, stream = unpack(data, position)
            size = high << 16 | low
            if size > largest:
                raise ConnectionFault(frames.FRAME_SIZE_ERROR, f"a frame of {size} bytes")
            start = position + head_bytes
            if end - start < size:
                break
            position = start + size
            if self._block is not None and kind != frames.CONTINUATION:
                raise ConnectionFault(frames.PROTOCOL_ERROR, "a header block is interrupted")
            if not self._has_settings and kind != frames.SETTINGS:
                raise ConnectionFault(frames.PROTOCOL_ERROR, "the first frame is not SETTINGS")
            if kind >= len(on_frame):
                self._strain()
                continue
            try:
                on_frame[kind](flags, stream & frames.LARGEST_STREAM, data[start:position])
            except StreamFault as fault:
                self._outlet.control(frames.reset(fault.stream, fault.code))
                self._dispatcher.cancel(fault.stream)
            if self._transport is None:
                break
        return position

    def _on_data(self, flags: int, stream: int, payload: bytes) -> None:
        size = len(payload)
        limits = self._limits
        self._unacknowledged += size
        if self._unacknowledged * 2 >= limits.connection_window:
            if self._unacknowledged > limits.connection_window:
                raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "more data than the connection's window")
            self._outlet.control(frames.window_update(0, self._unacknowledged))
            self._unacknowledged = 0
        call = self._calls.get(stream)
        if call is None or call.client_is_done:
            self._on_late(stream)
            return
        if flags & frames.PADDED:
            payload = frames.without_padding(flags, payload)
        is_end = bool(flags & frames.END_STREAM)
        if is_end and self._dispatcher.whole(call, payload):
            return
        if not (payload or is_end):
            self._strain()
        call.unacknowledged += size
        if call.unacknowledged > limits.stream_window:
            raise StreamFault(stream, frames.FLOW_CONTROL_ERROR)
        self._dispatcher.feed(call, payload, is_end)

    def _on_late(self, stream: int) -> None:
        """A frame for a call that has ended, which its client may not know yet, or that never began."""
        if stream > self._last_stream or not stream & 1:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "a frame for a stream that is not open")
        if stream in self._calls:
            raise StreamFault(stream, frames.STREAM_CLOSED)

    def _on_headers(self, flags: int, stream: int, payload: bytes) -> None:
        payload = frames.without_padding(flags, payload)
        if flags & frames.WITH_PRIORITY:
            if len(payload) < 5:
                raise ConnectionFault(frames.FRAME_SIZE_ERROR, "HEADERS without its priority")
            payload = payload[5:]
        if not stream & 1:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "HEADERS on a stream that a client cannot open")
        if flags & frames.END_HEADERS:
            self._open(stream, flags, payload)
        else:
            self._block = (stream, flags, [payload])

    def _on_continuation(self, flags: int, stream: int, payload: bytes) -> None:
        if self._block is None or stream != self._block[0]:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "CONTINUATION of no header block")
        first, first_flags, pieces = self._block
        pieces.append(payload)
        if len(pieces) > _MAX_CONTINUATIONS or sum(map(len, pieces)) > self._limits.header_bytes:
            raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "the headers are too large")
        if flags & frames.END_HEADERS:
            self._block = None
            self._open(first, first_flags, b"".join(pieces))

    def _open(self, stream: int, flags: int, block: bytes) -> None:
        head = self._headers.read(block)  # in every case: the block may change the decoder's table
        is_end = bool(flags & frames.END_STREAM)
        if stream <= self._last_stream:
            call = self._calls.get(stream)
            if call is None or call.client_is_done:
                self._on_late(stream)
            elif not is_end:
                raise StreamFault(stream, frames.PROTOCOL_ERROR)
            else:  # a client's trailers, which gRPC does not have
                self._dispatcher.feed(call, b"", True)
            return
        if stream > self._last_allowed or len(self._calls) >= self._limits.streams:
            self._last_stream = stream
            self._strain()
            raise StreamFault(stream, frames.REFUSED_STREAM)
        self._last_stream = stream
        if head.http_status == 200:
            self._dispatcher.open(stream, head, is_end)
            return
        answer = _HTTP_ANSWERS[head.http_status]
        self._outlet.control(frames.frame(frames.HEADERS, frames.END_HEADERS | frames.END_STREAM, stream, answer))
        if not is_end:
            self._outlet.control(frames.reset(stream, frames.NO_ERROR))

    def _on_priority(self, flags: int, stream: int, payload: bytes) -> None:
        self._strain()
        if len(payload) != 5:
            raise StreamFault(stream, frames.FRAME_SIZE_ERROR)

    def _on_reset(self, flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "RST_STREAM is not of 4 bytes")
        if stream > self._last_stream or not stream & 1:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "RST_STREAM for a stream that is not open")
        self._strain()
        self._dispatcher.cancel(stream)

    def _on_settings(self, flags: int, stream: int, payload: bytes) -> None:
        if stream:
            raise ConnectionFault(frames.PROTOCOL_ERROR, "SETTINGS on a stream")
        self._has_settings = True
        if flags & frames.ACK:
            return
        self._strain()
        outlet = self._outlet
        for key, value in frames.read_settings(payload):
            if key == frames.INITIAL_WINDOW:
                if value > frames.LARGEST_WINDOW:
                    raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "a window larger than HTTP/2 has")
                difference, outlet.first_window = value - outlet.first_window, value
                for call in list(self._calls.values()):
                    outlet.credit_call(call, difference)
            elif key == frames.MAX_FRAME:
                if not frames.FRAME_BYTES <= value <= frames.LARGEST_FRAME:
                    raise ConnectionFault(frames.PROTOCOL_ERROR, "a frame size that HTTP/2 does not allow")
                outlet.largest_frame = value
            elif key == frames.ENABLE_PUSH and value > 1:
                raise ConnectionFault(frames.PROTOCOL_ERROR, "ENABLE_PUSH is neither 0 nor 1")
        outlet.control(frames.frame(frames.SETTINGS, frames.ACK, 0))

    def _on_push(self, flags: int, stream: int, payload: bytes) -> None:
        raise ConnectionFault(frames.PROTOCOL_ERROR, "PUSH_PROMISE from a client")

    def _on_ping(self, flags: int, stream: int, payload: bytes) -> None:
        if stream or len(payload) != 8:
            code = frames.PROTOCOL_ERROR if stream else frames.FRAME_SIZE_ERROR
            raise ConnectionFault(code, "PING is on a stream, or not of 8 bytes")
        if not flags & frames.ACK:
            self._outlet.control(frames.frame(frames.PING, frames.ACK, 0, payload))
        elif payload == b"draining":
            self.drained()

    def _on_goaway(self, flags: int, stream: int, payload: bytes) -> None:
        """The client opens no more calls; it closes the connection when it has its answers."""

    def _on_window_update(self, flags: int, stream: int, payload: bytes) -> None:
        if len(payload) != 4:
            raise ConnectionFault(frames.FRAME_SIZE_ERROR, "WINDOW_UPDATE is not of 4 bytes")
        size = int.from_bytes(payload, "big") & frames.LARGEST_WINDOW
        outlet = self._outlet
        if stream == 0:
            if size == 0 or outlet.window + size > frames.LARGEST_WINDOW:
                raise ConnectionFault(frames.FLOW_CONTROL_ERROR, "a window of nothing, or larger than HTTP/2 has")
            outlet.credit(size)
            return
        call = self._calls.get(stream)
        if call is None:
            if stream > self._last_stream:
                raise ConnectionFault(frames.PROTOCOL_ERROR, "WINDOW_UPDATE for a stream that is not open")
            return
        if size == 0 or call.window + size > frames.LARGEST_WINDOW:
            raise StreamFault(stream, frames.FLOW_CONTROL_ERROR)
        outlet.credit_call(call, size)

    # Ends.

    def _strain(self) -> None:
        """One of the frames that cost us more than the client: only so many are taken."""
        self._patience -= 1
        if self._patience < 0:
            limits, now = self._limits, self._heard_at
            refill = (now - self._patience_at) * limits.resets_per_s
            self._patience = min(self._patience + refill, float(limits.resets))
            self._patience_at = now
            if self._patience < 0:
                raise ConnectionFault(frames.ENHANCE_YOUR_CALM, "too many cancelled calls or empty frames")

    def _abort(self, fault: ConnectionFault) -> None:
        if self._has_preface:
            self._outlet.control(frames.goaway(self._last_stream, fault.code, fault.message))
        self._dispatcher.cancel_all()
        transport = self._transport
        self._outlet.flush()
        self._outlet.close()
        self._transport = None
        if transport is not None and transport.can_write_eof() and self._has_preface:
            # A socket that is closed before all is read resets, and the client may never see why: read on for a while.
            transport.write_eof()
            self._loop.call_later(_LINGER_S, transport.abort)
        elif transport is not None:
            transport.close()

    def _close_if_drained(self) -> None:
        if self._last_allowed != frames.LARGEST_STREAM and not self._calls:
            self._close()

    def _close(self) -> None:
        self._outlet.flush()
        self._outlet.close()
        if self._transport is not None:
            self._transport.close()
            self._transport = None


def peer_text(address: Any) -> str:
    """As gRPC spells a client's address."""
    if not isinstance(address, tuple):
        return f"unix:{address or ''}"
    host, port = address[:2]
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"
