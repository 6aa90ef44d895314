"""gRPC for one slot: calls, or one stream, on raw bytes: nothing is encoded while it is measured."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping

from burnish.perf.client.endpoint import Endpoint
from burnish.perf.client.grpc_request import FINAL
from burnish.perf.client.http2_connection import Http2Connection, connect, header_block
from burnish.serve.proto import grpc_service_pb2 as pb

SHARED_BY = 6  # slots on one TCP connection, as in Triton's own clients


class Channels:
    """Opens connections for slots; several share one."""

    def __init__(self, endpoint: Endpoint, headers: Mapping[str, str], timeout_s: float, is_stream: bool) -> None:
        self._endpoint, self._timeout_s, self._is_stream = endpoint, timeout_s, is_stream
        if is_stream:  # the time limit is each request's, not the stream's
            self._block = header_block(endpoint, "ModelStreamInfer", headers, None)
        else:
            self._block = header_block(endpoint, "ModelInfer", headers, timeout_s)
        self._opening: asyncio.Task[Http2Connection] | None = None
        self._slots = 0

    async def connect(self) -> GrpcCalls | GrpcStream:
        """OSError if nobody answers there, or not in HTTP/2."""
        if self._opening is None or self._slots % SHARED_BY == 0 or _is_over(self._opening):
            self._opening = asyncio.ensure_future(connect(self._endpoint, self._timeout_s))
            self._slots = 0
        self._slots += 1
        shared = await self._opening
        shared.users += 1
        kind = GrpcStream if self._is_stream else GrpcCalls
        return kind(shared, self._block, self._timeout_s)


def _is_over(opening: asyncio.Task[Http2Connection]) -> bool:
    """Did it fail, or is what it opened closed by now?"""
    return opening.done() and (opening.exception() is not None or not opening.result().is_open)


class GrpcCalls:
    """ModelInfer, one call a request."""

    def __init__(self, shared: Http2Connection, block: bytes, timeout_s: float) -> None:
        self._shared, self._block, self._timeout_ns = shared, block, int(timeout_s * 1e9)
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[str] | None = None
        self._call = self._sent_ns = 0
        self._has_left = False
        self.first_ns = self.end_ns = 0
        self.arrivals: list[int] = []

    @property
    def is_open(self) -> bool:
        return self._shared.is_open and not self._has_left

    def send(self, message: bytes) -> asyncio.Future[str]:
        """Wait for the answer. The result is the error's text, or nothing."""
        self._waiting = waiting = self._loop.create_future()
        self.first_ns = 0
        self._sent_ns = time.monotonic_ns()
        self._call = self._shared.call(self._block, self, message)
        return waiting

    def expire(self, now_ns: int) -> None:
        """The server has the time limit too; this is for one that does not keep it."""
        if self._waiting is not None and now_ns - self._sent_ns > self._timeout_ns:
            self._shared.cancel(self._call)
            self.on_end(f"no answer within {self._timeout_ns / 1e9:g} s")

    def close(self) -> None:
        if not self._has_left:
            self._has_left = True
            self._shared.leave()

    # what the connection calls

    def on_data(self, data: bytes) -> None:
        if not self.first_ns:
            self.first_ns = time.monotonic_ns()

    def on_end(self, problem: str) -> None:
        self.end_ns = time.monotonic_ns()
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(problem)


class GrpcStream:
    """ModelStreamInfer: one stream, on which a request is sent when the last one's final response has come."""

    def __init__(self, shared: Http2Connection, block: bytes, timeout_s: float) -> None:
        self._shared, self._timeout_ns = shared, int(timeout_s * 1e9)
        self._loop = asyncio.get_running_loop()
        self._waiting: asyncio.Future[str] | None = None
        self._sent_ns = 0
        self._problem, self._has_ended = "", False
        self._parts: deque[bytes] = deque()
        self._size = 0  # of the parts
        self.first_ns = self.end_ns = 0
        self.arrivals: list[int] = []
        self._call = shared.call(block, self, None)

    @property
    def is_open(self) -> bool:
        return self._shared.is_open and not self._has_ended

    def send(self, message: bytes) -> asyncio.Future[str]:
        """Wait for the final response. The result is the first error's text, or nothing."""
        self._waiting = waiting = self._loop.create_future()
        self.arrivals, self.first_ns, self._problem = [], 0, ""
        self._sent_ns = time.monotonic_ns()
        if self._has_ended:
            self._finish("the server ended the stream")
        else:
            self._shared.send(self._call, message)
        return waiting

    def expire(self, now_ns: int) -> None:
        """End a request that has waited too long."""
        if self._waiting is not None and now_ns - self._sent_ns > self._timeout_ns:
            self._has_ended = True
            self._finish(f"no answer within {self._timeout_ns / 1e9:g} s")

    def close(self) -> None:
        if self._call:
            self._shared.cancel(self._call)
            self._call, self._has_ended = 0, True
            self._shared.leave()

    # what the connection calls

    def on_data(self, data: bytes) -> None:
        """Cut what comes into messages, each after its length."""
        now = time.monotonic_ns()
        self._parts.append(data)
        self._size += len(data)
        while self._size >= 5:
            if len(self._parts[0]) < 5:
                self._parts = deque([b"".join(self._parts)])
            whole = 5 + int.from_bytes(self._parts[0][1:5], "big")
            if self._size < whole:
                return
            together = b"".join(self._parts) if len(self._parts) > 1 else self._parts[0]
            self._parts = deque([together[whole:]])
            self._size -= whole
            self._on_response(together[5:whole], now)

    def on_end(self, problem: str) -> None:
        self._has_ended = True
        self._finish(problem or "the server ended the stream")

    def _on_response(self, data: bytes, now_ns: int) -> None:
        self.first_ns = self.first_ns or now_ns
        found = pb.ModelStreamInferResponse.FromString(data)
        answer = found.infer_response
        if found.error_message:
            self._problem = self._problem or found.error_message
        elif len(answer.outputs) or FINAL not in answer.parameters:
            self.arrivals.append(now_ns)
        if FINAL not in answer.parameters or answer.parameters[FINAL].bool_param:
            self._finish(self._problem)

    def _finish(self, problem: str) -> None:
        self.end_ns = time.monotonic_ns()
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(problem)
