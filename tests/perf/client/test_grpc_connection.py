"""Calls and streams of gRPC against a small server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from burnish.errors import UserError
from burnish.perf.client.endpoint import parse_url
from burnish.perf.client.grpc_connection import SHARED_BY, Channels, credentials
from burnish.perf.client.grpc_request import grpc_request
from burnish.perf.options import Options, Tls
from tests.perf.client.test_grpc_request import STEP
from tests.perf.fake_grpc_server import FakeGrpcServer, running_grpc
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
                await channels.close()

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
        assert len(arrivals) == 3 and arrivals[1] - arrivals[0] >= 0.015e9
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


def test_nobody_at_the_address_is_an_error_of_the_request() -> None:
    async def main(is_stream: bool) -> tuple[str, bool]:
        channels = Channels(parse_url("127.0.0.1:9", "grpc"), {}, 5.0, is_stream)
        connection = await channels.connect()
        problem = await connection.send(b"")
        await channels.close()
        return problem, connection.is_open

    for is_stream in (False, True):
        problem, is_open = asyncio.run(main(is_stream))
        assert problem.startswith("UNAVAILABLE") and not is_open


def test_several_slots_share_a_channel_but_not_all() -> None:
    async def main() -> int:
        channels = Channels(parse_url("127.0.0.1:9", "grpc"), {}, 5.0, False)
        found = [await channels.connect() for _ in range(2 * SHARED_BY + 1)]
        await channels.close()
        return len({id(c._channel) for c in found})  # type: ignore[union-attr]

    assert asyncio.run(main()) == 3


def test_a_secured_connection_reads_its_files(tmp_path: Path) -> None:
    assert credentials(parse_url("host", "grpc")) is None
    assert credentials(parse_url("grpcs://host", "grpc")) is not None
    with pytest.raises(UserError, match="E681"):
        credentials(parse_url("grpcs://host", "grpc", Tls(str(tmp_path / "none"))))
