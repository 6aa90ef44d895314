"""What one connection sends: frames in few writes, and data as far as the client's windows allow.

A unary answer that fits goes out as three frames at once. Everything else waits in its call's `pending`; calls take
turns, a frame each. Nothing more is handed to the kernel while it has more than it takes.
"""

from __future__ import annotations

import asyncio
import struct
from collections import deque
from collections.abc import Callable
from typing import Final

from burnish.serve.grpc.transport import frames
from burnish.serve.grpc.transport.call import Call
from burnish.serve.grpc.transport.header_blocks import encoded, encoded_metadata
from burnish.serve.grpc.transport.messages import PREFIX_BYTES, compressed, packed
from burnish.serve.grpc.transport.status import percent_encoded

_OK_200: Final = b"\x88"  # :status 200 in HPACK's static table
_BEGIN: Final = _OK_200 + encoded([(b"content-type", b"application/grpc")])
_BEGIN_GZIP: Final = _BEGIN + encoded([(b"grpc-encoding", b"gzip")])
_END_OK: Final = encoded([(b"grpc-status", b"0")])

# A whole unary answer but for its message: HEADERS, the head of DATA, the message's prefix; then the trailers.
_BEFORE: Final = struct.Struct(f">5sI{len(_BEGIN)}sBHBBIBI")
_AFTER: Final = struct.Struct(f">5sI{len(_END_OK)}s")
_BEGIN_HEAD: Final = frames.frame(frames.HEADERS, frames.END_HEADERS, 0, _BEGIN)[:5]
_END_FLAGS: Final = frames.END_HEADERS | frames.END_STREAM
_END_HEAD: Final = frames.frame(frames.HEADERS, _END_FLAGS, 0, _END_OK)[:5]
_WRITE_BYTES: Final = 256 << 10


class Outlet:
    """window, first_window and largest_frame are what the client's frames say; on_sent is told of each call that is
    sent to its end. compression_level: of gzip, 0 for none, for clients that accept it."""

    on_sent: Callable[[Call], None]

    def __init__(self, loop: asyncio.AbstractEventLoop, compression_level: int) -> None:
        self._loop, self._compression_level = loop, compression_level
        self._transport: asyncio.WriteTransport | None = None
        self.window = self.first_window = frames.FIRST_WINDOW
        self.largest_frame = frames.FRAME_BYTES
        self.is_held = False  # during a read: its answers go out together
        self._can_write = True
        self._is_scheduled = False
        self._out: list[bytes | memoryview] = []
        self._out_bytes = 0
        self._queue: deque[Call] = deque()  # calls that can send
        self._starved: list[Call] = []  # and those that wait for the connection's window

    def open(self, transport: asyncio.WriteTransport) -> None:
        self._transport = transport

    def close(self) -> None:
        self._transport = None
        self._out.clear()
        self._queue.clear()
        self._starved.clear()

    def control(self, frame: bytes) -> None:
        self._out.append(frame)
        self._out_bytes += len(frame)
        if not (self.is_held or self._is_scheduled):
            self._schedule()

    def reply(self, call: Call, message: bytes) -> None:
        """A unary call's answer, to its end."""
        count = len(message)
        size = count + PREFIX_BYTES
        if (
            size > self.window
            or size > call.window
            or size > self.largest_frame
            or not self._can_write
            or self._queue
            or call.pending
            or call.initial_metadata
            or call.trailing_metadata
            or (self._compression_level and call.head.takes_gzip)
        ):
            self.message(call, message)
            self.end(call, 0, "")
            return
        self.window -= size
        id = call.id
        self._out += (
            _BEFORE.pack(_BEGIN_HEAD, id, _BEGIN, size >> 16, size & 0xFFFF, frames.DATA, 0, id, 0, count),
            message,
            _AFTER.pack(_END_HEAD, id, _END_OK),
        )
        self._out_bytes += size
        self.on_sent(call)
        if not (self.is_held or self._is_scheduled):
            self._schedule()

    def message(self, call: Call, message: bytes) -> None:
        """A message that others may follow."""
        is_packed = self._compression_level > 0 and call.head.takes_gzip
        if not call.has_begun:
            call.has_begun = True
            block = (_BEGIN_GZIP if is_packed else _BEGIN) + encoded_metadata(call.initial_metadata)
            self._push(call, frames.frame(frames.HEADERS, frames.END_HEADERS, call.id, block))
        data = compressed(message, self._compression_level) if is_packed else packed(message)
        call.unsent += len(data)
        self._push(call, memoryview(data))

    def end(self, call: Call, status: int, message: str) -> None:
        """The trailers; for a call without a message they are its only headers."""
        block = _END_OK if status == 0 else encoded([(b"grpc-status", b"%d" % status)])
        if message:
            block += encoded([(b"grpc-message", percent_encoded(message))])
        if call.trailing_metadata:
            block += encoded_metadata(call.trailing_metadata)
        if not call.has_begun:
            block = _BEGIN + encoded_metadata(call.initial_metadata) + block
        self.last(call, block)

    def last(self, call: Call, block: bytes) -> None:
        """A header block that ends the call."""
        call.has_begun = call.is_ending = True
        call.moved_at = self._loop.time()
        self._push(call, frames.frame(frames.HEADERS, _END_FLAGS, call.id, block))

    def credit(self, size: int) -> None:
        """The client's WINDOW_UPDATE for the connection."""
        self.window += size
        starved, self._starved = self._starved, []
        for call in starved:
            self.enqueue(call)
        self.pump()

    def credit_call(self, call: Call, size: int) -> None:
        """The client's WINDOW_UPDATE for a call, or the difference that its settings make."""
        call.window += size
        if call.pending:
            self.enqueue(call)
            self.pump()

    def pause(self) -> None:
        self._can_write = False

    def resume(self) -> None:
        self._can_write = True
        self.pump()

    def flush(self) -> None:
        self._is_scheduled = False
        if self._out and self._transport is not None:
            data = b"".join(self._out)
            self._out.clear()
            self._out_bytes = 0
            self._transport.write(data)

    def enqueue(self, call: Call) -> None:
        if not call.is_queued:
            call.is_queued = True
            self._queue.append(call)

    def pump(self) -> None:
        """Send what can be sent, a frame of each call in turn."""
        queue = self._queue
        while queue and self._can_write:
            call = queue.popleft()
            call.is_queued = False
            if self._step(call):
                self.enqueue(call)
            if self._out_bytes >= _WRITE_BYTES:
                self.flush()
        if self._out and not (self.is_held or self._is_scheduled):
            self._schedule()

    def _push(self, call: Call, entry: bytes | memoryview) -> None:
        if call.pending is None:
            call.pending = deque()
        call.pending.append(entry)
        self.enqueue(call)
        self.pump()

    def _step(self, call: Call) -> bool:
        """Send one call's next frame; whether it can go on."""
        pending = call.pending
        if not pending:
            return False
        entry = pending[0]
        if isinstance(entry, bytes):
            self._put(entry)
            pending.popleft()
        else:
            room = min(self.window, call.window, self.largest_frame)
            if room <= 0:
                if self.window <= 0:
                    self._starved.append(call)
                return False
            piece = entry[:room]
            size = len(piece)
            self._put(frames.HEAD.pack(size >> 16, size & 0xFFFF, frames.DATA, 0, call.id))
            self._put(piece)
            self.window -= size
            call.window -= size
            call.unsent -= size
            call.moved_at = self._loop.time()
            if size == len(entry):
                pending.popleft()
            else:
                pending[0] = entry[size:]
        if pending:
            return True
        call.drained()
        if call.is_ending:
            self.on_sent(call)
        return False

    def _put(self, piece: bytes | memoryview) -> None:
        self._out.append(piece)
        self._out_bytes += len(piece)

    def _schedule(self) -> None:
        self._is_scheduled = True
        self._loop.call_soon(self.flush)
