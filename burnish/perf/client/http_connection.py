"""One HTTP/1.1 connection: an asyncio protocol over httptools' parser. benchmarks/load_tool.md says why."""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any, cast

from burnish.perf.client.endpoint import Endpoint

LONGEST_ERROR = 1 << 14  # bytes of an error's body that are kept
_EVENT_ERROR = re.compile(rb'^data:\s*(\{"error".*)', re.MULTILINE)


async def connect(endpoint: Endpoint, timeout_s: float, is_stream: bool) -> HttpConnection:
    """OSError if nobody answers there."""
    loop = asyncio.get_running_loop()
    name = endpoint.host if endpoint.is_secure else None
    opening = loop.create_connection(
        lambda: HttpConnection(loop, timeout_s, is_stream),
        endpoint.host,
        endpoint.port,
        ssl=endpoint.context(),
        server_hostname=name,
    )
    try:
        _, protocol = await asyncio.wait_for(opening, timeout_s)
    except TimeoutError:
        raise ConnectionError("no connection within the time limit") from None
    return protocol


class HttpConnection(asyncio.Protocol):
    """Sends a request, reads its answer, keeps the times. is_stream: the answer is server-sent events."""

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout_s: float, is_stream: bool) -> None:
        import httptools

        self._loop, self._timeout_ns, self._is_stream = loop, int(timeout_s * 1e9), is_stream
        self._transport: asyncio.Transport | None = None
        self._parser: Any = httptools.HttpResponseParser(self)
        self._waiting: asyncio.Future[str] | None = None
        self._sent_ns = 0
        self._status = 200
        self._kept: list[bytes] = []
        self.first_ns = self.end_ns = 0
        self.arrivals: list[int] = []
        self.is_open = True

    def send(self, message: bytes) -> asyncio.Future[str]:
        """Wait for the answer. The result is the error's text, or nothing."""
        self._waiting = waiting = self._loop.create_future()
        self.first_ns = 0
        self.arrivals = []
        self._sent_ns = time.monotonic_ns()
        if self._transport is None or not self.is_open:
            self._finish("the server closed the connection")
        else:
            self._transport.write(message)
        return waiting

    def expire(self, now_ns: int) -> None:
        """End a request that has waited too long."""
        if self._waiting is not None and now_ns - self._sent_ns > self._timeout_ns:
            self._finish(f"no answer within {self._timeout_ns / 1e9:g} s")
            self.close()

    def close(self) -> None:
        self.is_open = False
        if self._transport is not None:
            self._transport.abort()

    # what asyncio calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not self.first_ns:
            self.first_ns = time.monotonic_ns()
        try:
            self._parser.feed_data(data)
        except Exception as error:  # httptools' own classes share no useful base
            self._finish(f"the answer is not HTTP: {error}")
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        self._finish("the server closed the connection before it answered")

    # what httptools calls

    def on_headers_complete(self) -> None:
        self._status = self._parser.get_status_code()
        self._kept = []

    def on_body(self, body: bytes) -> None:
        if self._status != 200:
            if sum(map(len, self._kept)) < LONGEST_ERROR:
                self._kept.append(body)
        elif self._is_stream:
            self.arrivals += [time.monotonic_ns()] * body.count(b"data:")
            self._kept += _EVENT_ERROR.findall(body)

    def on_message_complete(self) -> None:
        self.end_ns = time.monotonic_ns()
        if not self._parser.should_keep_alive():
            self.close()
        if self._status == 200 and not self._kept:
            self._finish("")
        else:
            self._finish(error_text(self._status, b"".join(self._kept)))

    def _finish(self, problem: str) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None or waiting.done():
            return
        if problem:
            self.end_ns = time.monotonic_ns()
        waiting.set_result(problem)


def error_text(status: int, body: bytes) -> str:
    """`400: what the server's "error" says`, or the start of the body."""
    try:
        found = json.loads(body)["error"]
    except (ValueError, TypeError, KeyError):
        found = body.decode(errors="replace")[:200].strip()
    return f"{status}: {found}"
