"""One HTTP connection against a small server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from burnish.perf.client.endpoint import parse_url
from burnish.perf.client.http_connection import HttpConnection, connect, error_text
from burnish.perf.client.http_request import infer_request, stream_request
from burnish.perf.options import Options
from tests.perf.client.test_http_request import STEP
from tests.perf.fake_server import FakeServer, running
from tests.perf.made_report import MODEL

Act = Callable[[HttpConnection, bytes], Awaitable[object]]


def during(server: FakeServer, act: Act, timeout_s: float = 5.0, is_stream: bool = False) -> object:
    """What the function returns, given an open connection and a request."""
    with running(server):
        endpoint = parse_url(server.url, "http")
        make = stream_request if is_stream else infer_request
        message = make(endpoint, MODEL, STEP, Options("echo")).render({})

        async def main() -> object:
            connection = await connect(endpoint, timeout_s, is_stream)
            try:
                return await act(connection, message)
            finally:
                connection.close()

        return asyncio.run(main())


def test_a_connection_is_used_again_and_its_times_are_those_of_the_answer() -> None:
    async def act(connection: HttpConnection, message: bytes) -> list[float]:
        found = []
        for _ in range(3):
            start = time.monotonic_ns()
            assert await connection.send(message) == ""
            assert start < connection.first_ns <= connection.end_ns <= time.monotonic_ns()
            found.append((connection.end_ns - start) / 1e9)
        return found

    server = FakeServer(delay_s=lambda n: (0.0, 0.05, 0.1)[n])
    first, second, third = during(server, act)  # type: ignore[misc]
    assert first < second and second >= 0.05 and third >= 0.1
    assert server.connections == 1 and len(server.received) == 3


def test_an_errors_message_is_the_servers() -> None:
    async def act(connection: HttpConnection, message: bytes) -> list[str]:
        return [await connection.send(message) for _ in range(3)]

    faults = [(400, '{"error":"no such input"}'), (503, "busy <html>"), None]
    found = during(FakeServer(fault=lambda n: faults[n]), act)
    assert found == ["400: no such input", "503: busy <html>", ""]
    assert error_text(500, b"[1]") == "500: [1]"


def test_a_dropped_connection_is_an_error_and_closes() -> None:
    async def act(connection: HttpConnection, message: bytes) -> tuple[str, bool, str]:
        first = await connection.send(message)
        return first, connection.is_open, await connection.send(message)

    first, is_open, second = during(FakeServer(drops=lambda n: True), act)  # type: ignore[misc]
    assert "closed the connection before it answered" in first
    assert not is_open and "closed" in second


def test_a_request_without_an_answer_expires() -> None:
    async def act(connection: HttpConnection, message: bytes) -> tuple[str, bool]:
        waiting = connection.send(message)
        await asyncio.sleep(0.02)
        connection.expire(time.monotonic_ns())
        return await waiting, connection.is_open

    assert during(FakeServer(delay_s=lambda n: 1.0), act, timeout_s=0.01) == ("no answer within 0.01 s", False)


def test_each_event_of_a_stream_has_its_time_and_an_error_in_one_is_an_error() -> None:
    events = [[(0.0, "{}"), (0.03, "{}"), (0.03, "{}")], [(0.0, "{}"), (0.0, '{"error":"out of tokens"}')]]

    async def act(connection: HttpConnection, message: bytes) -> list[object]:
        assert await connection.send(message) == ""
        arrivals = list(connection.arrivals)
        return [arrivals, await connection.send(message)]

    arrivals, problem = during(FakeServer(events=lambda n: events[n]), act, is_stream=True)  # type: ignore[misc]
    assert len(arrivals) == 3
    assert arrivals[2] - arrivals[0] >= 0.03e9  # 0.06 unless the first was late
    assert problem == "200: out of tokens"


def test_an_answer_that_is_not_http_is_an_error() -> None:
    async def main() -> str:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"SSH-2.0\r\n\r\n")
            await writer.drain()
            writer.close()

        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        connection = await connect(parse_url(f"127.0.0.1:{port}", "http"), 5.0, False)
        problem = await connection.send(b"GET / HTTP/1.1\r\n\r\n")
        connection.close()
        listening.close()
        await listening.wait_closed()
        return problem

    assert "not HTTP" in asyncio.run(main())


def test_nobody_at_the_address_is_an_os_error() -> None:
    with pytest.raises(OSError):
        asyncio.run(connect(parse_url("127.0.0.1:9", "http"), 5.0, False))
