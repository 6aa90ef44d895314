"""Calls and streams of gRPC against a small server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest

from burnish.perf.client.endpoint import parse_url
from burnish.perf.client.grpc_connection import SHARED_BY, Channels
from burnish.perf.client.grpc_request import grpc_request
from burnish.perf.data.tensor import from_values
from burnish.perf.options import Options
from tests.perf.client.test_grpc_request import STEP
from tests.perf.fake_grpc_server import FakeGrpcServer, running_grpc
from tests.perf.fake_server import FakeServer, running
from tests.perf.made_report import MODEL


def during(
    server: FakeGrpcServer, act: Callable[[Any, bytes], Awaitable[Any]], timeout_s: float = 5.0, is_stream: bool = False
) -> Any:
    message = grpc_request(MODEL, STEP, Options("echo", streaming=is_stream)).render({})
    with running_grpc(server):

        async def main() -> Any:
            channels = Channels(parse_url(server.url, "grpc"), {"X-Key": "abc"}, timeout_s, is_stream)
            connection = await channels.connect()
            try:
                return await act(connection, message)
            finally:
                connection.close()

        return asyncio.run(main())


def test_a_call_has_its_times_headers_and_the_servers_error() -> None:
    async def act(connection: Any, message: bytes) -> list[Any]:
        start = time.monotonic_ns()
        first = await connection.send(message)
        took = connection.end_ns - start
        return [first, took, await connection.send(message), connection.is_open]

    server = FakeGrpcServer(delay_s=lambda n: 0.03, fault=lambda n: "wrong shape" if n else "")
    first, took, second, is_open = during(server, act)
    assert (first, second, is_open) == ("", "INVALID_ARGUMENT: wrong shape", True)
    assert took >= 0.03e9 and server.metadata[0]["x-key"] == "abc"


def test_a_call_has_a_time_limit() -> None:
    async def act(connection: Any, message: bytes) -> str:
        return str(await connection.send(message))

    assert during(FakeGrpcServer(delay_s=lambda n: 0.4), act, timeout_s=0.05).startswith("DEADLINE_EXCEEDED")


def test_each_response_of_a_stream_has_its_time_and_the_empty_last_one_is_none() -> None:
    async def act(connection: Any, message: bytes) -> list[Any]:
        found = []
        for _ in range(2):
            assert await connection.send(message) == ""
            found.append(list(connection.arrivals))
        return found

    first, second = during(FakeGrpcServer(delay_s=lambda n: 0.02), act, is_stream=True)
    for arrivals in (first, second):
        assert len(arrivals) == 3 and arrivals[2] - arrivals[0] >= 0.015e9  # 0.04 unless the first was late
    assert second[0] > first[-1]


def test_without_a_final_mark_the_first_response_is_the_answer() -> None:
    async def act(connection: Any, message: bytes) -> tuple[str, int]:
        return await connection.send(message), len(connection.arrivals)

    assert during(FakeGrpcServer(responses=1, marks_final=False), act, is_stream=True) == ("", 1)


def test_a_streams_error_is_the_answer_and_the_stream_goes_on() -> None:
    async def act(connection: Any, message: bytes) -> list[str]:
        return [await connection.send(message) for _ in range(2)]

    server = FakeGrpcServer(fault=lambda n: "" if n else "no tokens")
    assert during(server, act, is_stream=True) == ["no tokens", ""]


def test_a_stream_that_waits_too_long_expires() -> None:
    async def act(connection: Any, message: bytes) -> tuple[str, bool]:
        waiting = asyncio.ensure_future(connection.send(message))
        await asyncio.sleep(0.1)
        connection.expire(time.monotonic_ns())
        return await waiting, connection.is_open

    found = during(FakeGrpcServer(delay_s=lambda n: 0.4), act, timeout_s=0.02, is_stream=True)
    assert found == ("no answer within 0.02 s", False)


def test_a_stream_that_the_server_ends_is_over() -> None:
    async def act(connection: Any, message: bytes) -> list[Any]:
        first = await connection.send(message)
        return [first, connection.is_open, await connection.send(message)]

    server = FakeGrpcServer()
    server.stream = lambda requests, context: iter(())  # type: ignore[method-assign]
    found = during(server, act, is_stream=True)
    assert found == ["the server ended the stream", False, "the server ended the stream"]


def test_large_messages_go_through_the_windows_of_both_sides() -> None:
    step = (from_values("IN", "FP32", np.arange(300_000), (300_000,)),)
    message = grpc_request(MODEL, step, Options("echo", streaming=True)).render({})
    server = FakeGrpcServer(echoes=True)

    async def act(connection: Any, _: bytes) -> list[Any]:
        found = [await connection.send(message) for _ in range(5)]
        return [found, len(connection.arrivals)]

    assert during(server, act, is_stream=True) == [[""] * 5, 3]
    assert during(server, act) == [[""] * 5, 0]
    assert {r.raw_input_contents[0] for r in server.received} == {step[0].to_bytes()}


def test_nobody_at_the_address_and_a_server_of_http_1_are_os_errors() -> None:
    async def main(url: str) -> None:
        await Channels(parse_url(url, "grpc"), {}, 5.0, False).connect()

    with pytest.raises(OSError):
        asyncio.run(main("127.0.0.1:9"))
    with running(FakeServer()) as server, pytest.raises(ConnectionError, match="HTTP/2"):
        asyncio.run(main(server.url))


def test_several_slots_share_a_connection_but_not_all_and_a_closed_one_is_replaced() -> None:
    async def main(url: str) -> tuple[int, bool]:
        channels = Channels(parse_url(url, "grpc"), {}, 5.0, False)
        found = await asyncio.gather(*(channels.connect() for _ in range(2 * SHARED_BY + 1)))
        shared = {c._shared for c in found}
        for connection in found:
            connection.close()
        again = await channels.connect()
        is_new = again._shared not in shared and again.is_open
        again.close()
        return len(shared), is_new

    with running_grpc(FakeGrpcServer()) as server:
        assert asyncio.run(main(server.url)) == (3, True)
