"""What a handler sees of its call, with grpcio as the client."""

from __future__ import annotations

import asyncio
import threading
import time

import grpc
import pytest

from burnish.serve.grpc.transport.call import Call, Streaming, Unary
from burnish.serve.grpc.transport.status import GrpcError, Status
from tests.serve.grpc.transport.serving import Serving


def test_metadata_goes_both_ways() -> None:
    def handler(message: bytes, call: Call) -> bytes:
        call.initial_metadata = (("first", "1"), ("first-bin", b"\0\xff"))
        call.trailing_metadata = (("last", "2"),)
        return repr([pair for pair in call.metadata if pair[0] != "user-agent"]).encode()

    with Serving({"m": Unary(handler)}) as server:
        sent = (("key", "value"), ("key", "again"), ("key-bin", b"\0\1\xff"))
        got, call = server.unary("m").with_call(b"", metadata=sent, timeout=5)
        assert got == repr([*sent]).encode()
        assert [tuple(p) for p in call.initial_metadata()] == [("first", "1"), ("first-bin", b"\0\xff")]
        assert [tuple(p) for p in call.trailing_metadata()] == [("last", "2")]


def test_the_peer_is_the_clients_address() -> None:
    with Serving({"m": Unary(lambda message, call: call.peer.encode())}) as server:
        kind, host, port = server.unary("m")(b"", timeout=5).decode().split(":")
        assert (kind, host) == ("ipv4", "127.0.0.1")
        assert int(port) > 0


def test_an_answer_may_come_later_by_any_of_three_ways() -> None:
    def by_reply(message: bytes, call: Call) -> None:
        asyncio.get_running_loop().call_later(0.01, call.reply, message)

    async def by_coroutine(message: bytes, call: Call) -> bytes:
        await asyncio.sleep(0.01)
        return message

    def by_future(message: bytes, call: Call) -> asyncio.Future[bytes]:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.01, future.set_result, message)
        return future

    with Serving({"a": Unary(by_reply), "b": Unary(by_coroutine), "c": Unary(by_future)}) as server:
        assert [server.unary(name)(b"x", timeout=5) for name in "abc"] == [b"x"] * 3


@pytest.mark.parametrize("later", [False, True])
def test_an_error_reaches_the_client_with_its_words(later: bool) -> None:
    message = "no such model: 'größer'\n100 %"

    async def fail() -> bytes:
        raise GrpcError(Status.NOT_FOUND, message)

    def handler(_: bytes, call: Call) -> object:
        if later:
            return fail()
        raise GrpcError(Status.NOT_FOUND, message)

    with Serving({"m": Unary(handler)}) as server:  # type: ignore[arg-type]
        with pytest.raises(grpc.RpcError) as seen:
            server.unary("m")(b"", timeout=5)
        assert seen.value.code() == grpc.StatusCode.NOT_FOUND
        assert seen.value.details() == message


def test_a_deadline_ends_the_call_and_its_work() -> None:
    cancelled = threading.Event()

    def handler(message: bytes, call: Call) -> None:
        assert call.deadline is not None
        call.on_cancel(cancelled.set)

    with Serving({"m": Unary(handler)}) as server:
        started = time.monotonic()
        with pytest.raises(grpc.RpcError) as seen:
            server.unary("m")(b"", timeout=0.1)
        assert seen.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert time.monotonic() - started < 2
        assert cancelled.wait(5)


def test_a_deadline_is_kept_even_by_a_client_that_does_not_watch_it() -> None:
    with Serving({"m": Unary(lambda message, call: None)}) as server:
        client = server.raw()
        client.send(client.call(1, name="m", grpc_timeout="30m"))
        assert client.answer(1)[0]["grpc-status"] == "4"
        client.send(client.call(3, name="m", grpc_timeout="0m"))
        assert client.answer(3)[0]["grpc-status"] == "4"


@pytest.mark.parametrize("how", ["cancel", "close"])
def test_a_client_that_goes_cancels_the_work(how: str) -> None:
    began, cancelled = threading.Event(), threading.Event()

    def handler(message: bytes, call: Call) -> None:
        call.on_cancel(cancelled.set)
        began.set()

    with Serving({"m": Unary(handler)}) as server:
        channel = server.channel()
        waiting = channel.unary_unary("/test.Service/m").future(b"", timeout=20)
        assert began.wait(5)
        assert not cancelled.is_set()
        waiting.cancel() if how == "cancel" else channel.close()
        assert cancelled.wait(5)
        assert server.look(lambda: server.server.active_calls) == 0


def test_a_cancelled_stream_ends_its_handler() -> None:
    ended = threading.Event()

    async def handler(call: Call) -> None:
        try:
            async for message in call.messages():
                call.write(message)
            await asyncio.sleep(60)
        finally:
            ended.set()

    with Serving({"m": Streaming(handler)}) as server:
        stream = server.stream("m")(iter([b"a"]), timeout=20)
        assert next(stream) == b"a"
        stream.cancel()
        assert ended.wait(5)


def test_what_is_sent_after_the_end_is_dropped() -> None:
    def handler(message: bytes, call: Call) -> bytes:
        call.reply(b"first")
        call.reply(b"second")
        call.write(b"third")
        call.fail(GrpcError(Status.INTERNAL, "fourth"))
        return b"fifth"

    with Serving({"m": Unary(handler)}) as server:
        assert server.unary("m")(b"", timeout=5) == b"first"
