"""A small v2 server over HTTP whose answers take as long as a script says."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

METADATA = {
    "name": "echo",
    "versions": ["1"],
    "platform": "fake",
    "inputs": [{"name": "IN", "datatype": "FP32", "shape": [-1, 4]}],
    "outputs": [{"name": "OUT", "datatype": "FP32", "shape": [-1, 4]}],
}
CONFIG = {"name": "echo", "max_batch_size": 8}


@dataclass
class Received:
    """One request to infer or generate_stream. fields: its JSON; tail: what follows it."""

    path: str
    headers: dict[str, str]
    fields: dict[str, Any]
    tail: bytes


@dataclass
class FakeServer:
    """delay_s: of the n-th infer request; fault: status and body in place of an answer; events: of generate_stream."""

    delay_s: Callable[[int], float] = lambda n: 0.0
    fault: Callable[[int], tuple[int, str] | None] = lambda n: None
    drops: Callable[[int], bool] = lambda n: False
    events: Callable[[int], list[tuple[float, str]]] = lambda n: []
    metadata: dict[str, Any] = field(default_factory=lambda: dict(METADATA))
    config: dict[str, Any] | None = field(default_factory=lambda: dict(CONFIG))
    has_statistics: bool = True
    port: int = 0
    connections: int = 0
    received: list[Received] = field(default_factory=list)
    registered: dict[str, Any] = field(default_factory=dict)
    unregistered: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, path, _ = head[0].split(" ")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                if method == "POST" and path.endswith(("/infer", "/generate_stream")):
                    await self._infer(path, headers, body, writer)
                else:
                    status, found = self._answer(path, body)
                    writer.write(answer(status, json.dumps(found)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _infer(self, path: str, headers: dict[str, str], body: bytes, writer: asyncio.StreamWriter) -> None:
        number = len(self.received)
        length = int(headers.get("inference-header-content-length", len(body)))
        self.received.append(Received(path, headers, json.loads(body[:length]), body[length:]))
        if delay := self.delay_s(number):
            await asyncio.sleep(delay)
        if self.drops(number):
            raise ConnectionError
        if (fault := self.fault(number)) is not None:
            writer.write(answer(*fault))
        elif path.endswith("/generate_stream"):
            await self._stream(self.events(number), writer)
        else:
            writer.write(answer(200, '{"model_name":"echo","outputs":[]}'))

    async def _stream(self, events: list[tuple[float, str]], writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for delay, text in events:
            await asyncio.sleep(delay)
            data = f"data: {text}\n\n".encode()
            writer.write(b"%x\r\n%s\r\n" % (len(data), data))
            await writer.drain()
        writer.write(b"0\r\n\r\n")

    def _answer(self, path: str, body: bytes) -> tuple[int, object]:
        done = len(self.received)
        if path == "/v2":
            return 200, {"name": "fake", "version": "1.0"}
        if path in ("/v2/models/echo", "/v2/models/echo/versions/1"):
            return 200, self.metadata
        if path.endswith("/config") and self.config is not None:
            return 200, self.config
        if path == "/v2/models/stats" and self.has_statistics:
            return 200, {"model_stats": [statistics(done)]}
        if path.startswith("/v2/systemsharedmemory/region/"):
            name, action = path.split("/")[-2:]
            if action == "register":
                self.registered[name] = json.loads(body)
            else:
                self.unregistered.append(name)
            return 200, {}
        return 404, {"error": f"nothing at {path}"}


def statistics(done: int) -> dict[str, Any]:
    """As after so many requests, two a batch: 3 ms in the queue, 5 of computing, 10 in all."""

    def stage(count: int, ms: float) -> dict[str, int]:
        return {"count": count, "ns": round(count * ms * 1e6)}

    return {
        "name": "echo",
        "version": "1",
        "inference_count": done,
        "execution_count": done // 2,
        "inference_stats": {
            "success": stage(done, 10),
            "fail": stage(0, 0),
            "queue": stage(done, 3),
            "compute_input": stage(done, 1),
            "compute_infer": stage(done, 5),
            "compute_output": stage(done, 0.5),
            "cache_hit": stage(0, 0),
        },
    }


def answer(status: int, text: str) -> bytes:
    body = text.encode()
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


@contextmanager
def running(server: FakeServer, tls: ssl.SSLContext | None = None) -> Iterator[FakeServer]:
    """Serve from a thread until the end."""
    loop = asyncio.new_event_loop()
    ready = threading.Event()

    async def main() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
        server.port = listening.sockets[0].getsockname()[1]
        ready.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            listening.close()

    task = loop.create_task(main())

    def run() -> None:
        asyncio.set_event_loop(loop)
        loop.run_until_complete(asyncio.gather(task, return_exceptions=True))
        rest = asyncio.all_tasks(loop)
        for other in rest:
            other.cancel()
        loop.run_until_complete(asyncio.gather(*rest, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    assert ready.wait(5)
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(5)
