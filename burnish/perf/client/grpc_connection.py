"""gRPC for one slot: calls, or one stream, on raw bytes: nothing is encoded or decoded while it is measured."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import grpc
from grpc import aio

from burnish.perf.client.endpoint import Endpoint
from burnish.perf.client.grpc_request import FINAL
from burnish.serve.proto import grpc_service_pb2 as pb

SERVICE = "/inference.GRPCInferenceService/"
SHARED_BY = 6  # slots on one TCP connection, as in Triton's own clients
OPTIONS = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.use_local_subchannel_pool", 1),  # otherwise all channels share one TCP connection
)


def credentials(endpoint: Endpoint) -> grpc.ChannelCredentials | None:
    """None for a plain connection."""
    if not endpoint.is_secure:
        return None
    endpoint.context()  # says what is wrong with the files
    ca, key, certificate = (_read(p) for p in (endpoint.tls.ca, endpoint.tls.key, endpoint.tls.certificate))
    return grpc.ssl_channel_credentials(ca, key, certificate)


def _read(path: str) -> bytes | None:
    if not path:
        return None
    with open(path, "rb") as file:
        return file.read()


class Channels:
    """Opens connections, several on one channel."""

    def __init__(self, endpoint: Endpoint, headers: Mapping[str, str], timeout_s: float, is_stream: bool) -> None:
        self._endpoint, self._timeout_s, self._is_stream = endpoint, timeout_s, is_stream
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())
        self._channels: list[aio.Channel] = []
        self._slots = 0

    async def connect(self) -> GrpcCalls | GrpcStream:
        if self._slots % SHARED_BY == 0:
            self._channels.append(self._open())
        self._slots += 1
        kind = GrpcStream if self._is_stream else GrpcCalls
        return kind(self._channels[-1], self._metadata, self._timeout_s)

    async def close(self) -> None:
        for channel in self._channels:
            await channel.close()

    def _open(self) -> aio.Channel:
        secret = credentials(self._endpoint)
        if secret is not None:
            return aio.secure_channel(self._endpoint.authority, secret, options=OPTIONS)
        return aio.insecure_channel(self._endpoint.authority, options=OPTIONS)


class GrpcCalls:
    """ModelInfer, one call a request."""

    def __init__(self, channel: aio.Channel, metadata: Any, timeout_s: float) -> None:
        self._call = channel.unary_unary(f"{SERVICE}ModelInfer")
        self._channel, self._metadata, self._timeout_s = channel, metadata, timeout_s
        self.first_ns = self.end_ns = 0
        self.arrivals: list[int] = []
        self.is_open = True

    async def send(self, message: bytes) -> str:
        problem = ""
        try:
            await self._call(message, timeout=self._timeout_s, metadata=self._metadata)
        except aio.AioRpcError as error:
            problem = f"{error.code().name}: {error.details()}"
            self.is_open = error.code() is not grpc.StatusCode.UNAVAILABLE
        self.first_ns = self.end_ns = time.monotonic_ns()
        return problem

    def expire(self, now_ns: int) -> None:
        """gRPC itself keeps the time limit of a call."""

    def close(self) -> None:
        self.is_open = False


class GrpcStream:
    """ModelStreamInfer: one stream, on which a request is sent when the last one's final response has come."""

    def __init__(self, channel: aio.Channel, metadata: Any, timeout_s: float) -> None:
        self._channel, self._timeout_ns = channel, int(timeout_s * 1e9)
        self._stream = channel.stream_stream(f"{SERVICE}ModelStreamInfer")(metadata=metadata)
        self._sent_ns = 0
        self.first_ns = self.end_ns = 0
        self.arrivals: list[int] = []
        self.is_open = True

    async def send(self, message: bytes) -> str:
        self._sent_ns = time.monotonic_ns()
        self.arrivals, self.first_ns = [], 0
        try:
            await self._stream.write(message)
            problem = await self._responses()
        except (aio.AioRpcError, asyncio.InvalidStateError) as error:
            self.is_open = False
            problem = f"{error.code().name}: {error.details()}" if isinstance(error, aio.AioRpcError) else str(error)
        except asyncio.CancelledError:
            if self.is_open:  # the task was cancelled, not the stream
                raise
            problem = f"no answer within {self._timeout_ns / 1e9:g} s"
        self.end_ns = time.monotonic_ns()
        self._sent_ns = 0
        return problem

    async def _responses(self) -> str:
        """Read until the final response; the first error's text."""
        problem = ""
        while True:
            data = await self._stream.read()
            now = time.monotonic_ns()
            if data is aio.EOF:
                self.is_open = False
                return problem or "the server ended the stream"
            self.first_ns = self.first_ns or now
            found = pb.ModelStreamInferResponse.FromString(data)
            answer = found.infer_response
            if found.error_message:
                problem = problem or found.error_message
            elif len(answer.outputs) or FINAL not in answer.parameters:
                self.arrivals.append(now)
            if FINAL not in answer.parameters or answer.parameters[FINAL].bool_param:
                return problem

    def expire(self, now_ns: int) -> None:
        """End a request that has waited too long."""
        if self._sent_ns and now_ns - self._sent_ns > self._timeout_ns:
            self.close()

    def close(self) -> None:
        self.is_open = False
        self._stream.cancel()
