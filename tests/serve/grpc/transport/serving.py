"""A server in a thread of its own, and a client that sends any bytes, for the transport's tests."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import grpc
import uvloop
from hpack import Decoder, Encoder

from burnish.serve.grpc.transport import frames
from burnish.serve.grpc.transport.call import Call, Method, Streaming, Unary
from burnish.serve.grpc.transport.limits import Limits
from burnish.serve.grpc.transport.server import GrpcServer

PATH = "/test.Service/"


class Serving:
    """`with Serving(methods) as server`: grpcio's clients by `unary` and `stream`, any bytes by `raw`."""

    def __init__(
        self,
        methods: Mapping[str, Method],
        limits: Limits | None = None,
        level: int = 0,
        tls: Any = None,
        prefix: str = PATH,
    ) -> None:
        self._made = lambda: GrpcServer({prefix + name: m for name, m in methods.items()}, limits, level)
        self._tls = tls
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._opened: list[Any] = []

    def __enter__(self) -> Serving:
        self._thread.start()
        self.server, self.port = self.on_loop(self._start())
        return self

    async def _start(self) -> tuple[GrpcServer, int]:
        server = self._made()
        return server, await server.listen("127.0.0.1", 0, self._tls)

    def __exit__(self, *_: object) -> None:
        for opened in self._opened:
            opened.close()
        self.on_loop(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def on_loop(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def look(self, what: Callable[[], Any]) -> Any:
        """The value of an expression over the server's state, on its own thread."""

        async def seen() -> Any:
            return what()

        return self.on_loop(seen())

    def channel(self, options: tuple[tuple[str, Any], ...] = (), **kinds: Any) -> grpc.Channel:
        unlimited = (("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1))
        channel = grpc.insecure_channel(
            f"127.0.0.1:{self.port}", (*unlimited, ("grpc.use_local_subchannel_pool", 1), *options), **kinds
        )
        self._opened.append(channel)
        return channel

    def unary(self, name: str = "echo", **kinds: Any) -> grpc.UnaryUnaryMultiCallable:
        return self.channel(**kinds).unary_unary(PATH + name)

    def stream(self, name: str, **kinds: Any) -> grpc.StreamStreamMultiCallable:
        return self.channel(**kinds).stream_stream(PATH + name)

    def raw(self, *, greet: bool = True) -> RawClient:
        client = RawClient(self.port, greet)
        self._opened.append(client)
        return client


class RawClient:
    """Frames as the test makes them; headers by the hpack library."""

    def __init__(self, port: int, greet: bool) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.encoder, self.decoder = Encoder(), Decoder()
        self._data = b""
        if greet:
            self.send(frames.PREFACE + frames.settings({}))

    @classmethod
    def without_socket(cls) -> RawClient:
        """To make frames with."""
        client = cls.__new__(cls)
        client.encoder, client.decoder = Encoder(), Decoder()
        return client

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def block(self, name: str = "echo", **more: str) -> bytes:
        head = {
            ":method": "POST",
            ":scheme": "http",
            ":path": PATH + name,
            "content-type": "application/grpc",
            "te": "trailers",
        }
        changed = {key.replace("__", ":").replace("_", "-"): value for key, value in more.items()}
        return self.encoder.encode(list({**head, **changed}.items()))

    def headers(self, stream: int, name: str = "echo", flags: int = 0, **more: str) -> bytes:
        return frames.frame(frames.HEADERS, frames.END_HEADERS | flags, stream, self.block(name, **more))

    def call(self, stream: int, message: bytes = b"hello", name: str = "echo", **more: str) -> bytes:
        return self.headers(stream, name, **more) + data(stream, prefixed(message), frames.END_STREAM)

    def next(self) -> tuple[int, int, int, bytes] | None:
        """kind, flags, stream, payload of the next frame; None at the connection's end."""
        while len(self._data) < 9 or len(self._data) < 9 + int.from_bytes(self._data[:3], "big"):
            try:
                got = self.socket.recv(1 << 16)
            except ConnectionResetError:
                got = b""
            if not got:
                return None
            self._data += got
        size = int.from_bytes(self._data[:3], "big")
        head, payload = self._data[:9], self._data[9 : 9 + size]
        self._data = self._data[9 + size :]
        return head[3], head[4], int.from_bytes(head[5:9], "big"), payload

    def find(self, kind: int, stream: int | None = None, *, ack: bool | None = None) -> tuple[int, bytes]:
        """flags and payload of the next frame of that kind; those before it are dropped, but their headers are read."""
        while (got := self.next()) is not None:
            found, flags, where, payload = got
            if found == kind and stream in (None, where) and (ack is None or bool(flags & 1) == ack):
                return flags, payload
            if found == frames.HEADERS:
                self.decoder.decode(payload)
        raise AssertionError(f"the connection ended before a frame of kind {kind}")

    def answer(self, stream: int) -> tuple[dict[str, str], bytes]:
        """All headers and trailers of a call, and its data."""
        seen: dict[str, str] = {}
        body = b""
        while (got := self.next()) is not None:
            kind, flags, where, payload = got
            if kind == frames.HEADERS:
                fields = dict(self.decoder.decode(payload))
                seen.update(fields if where == stream else {})
            elif kind == frames.DATA and where == stream:
                body += payload
            elif kind == frames.RST_STREAM and where == stream:
                seen["reset"] = str(int.from_bytes(payload, "big"))
                return seen, body
            elif kind == frames.GOAWAY:
                seen["goaway"] = str(int.from_bytes(payload[4:8], "big"))
            if where == stream and flags & frames.END_STREAM and kind in (frames.DATA, frames.HEADERS):
                return seen, body
        seen["closed"] = "yes"
        return seen, body

    def goaway(self) -> tuple[int, str]:
        """The code and words with which the server ends the connection, which it then does."""
        _, payload = self.find(frames.GOAWAY)
        while self.next() is not None:
            pass
        return int.from_bytes(payload[4:8], "big"), payload[8:].decode()

    def close(self) -> None:
        self.socket.close()


def prefixed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def data(stream: int, payload: bytes, flags: int = 0) -> bytes:
    return frames.frame(frames.DATA, flags, stream, payload)


def echo(message: bytes, call: Call) -> bytes:
    return message


async def echo_all(call: Call) -> None:
    async for message in call.messages():
        call.write(message)
        await call.drain()


ECHO: dict[str, Method] = {"echo": Unary(echo), "echo_all": Streaming(echo_all)}
