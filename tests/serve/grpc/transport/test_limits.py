"""Each limit holds, and a client within it is served."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from burnish.serve.grpc.transport import frames
from burnish.serve.grpc.transport.call import Call, Streaming, Unary
from burnish.serve.grpc.transport.limits import Limits
from tests.serve.grpc.transport.serving import ECHO, Serving, data, prefixed


async def never(call: Call) -> None:
    await asyncio.sleep(60)


WAITING = {**ECHO, "never": Streaming(never)}


def test_message_bytes() -> None:
    with Serving(ECHO, Limits(message_bytes=100)) as server:
        client = server.raw()
        client.send(client.call(1, b"x" * 100) + client.call(3, b"x" * 101))
        assert client.answer(1)[1] == prefixed(b"x" * 100)
        seen, _ = client.answer(3)
        assert seen["grpc-status"] == "8"
        assert seen["grpc-message"] == "Received message larger than max (101 vs. 100)"


def test_buffered_bytes() -> None:
    with Serving(ECHO, Limits(buffered_bytes=1000)) as server:
        client, other = server.raw(), server.raw()
        client.send(client.headers(1) + data(1, prefixed(bytes(5000))[:900]))
        client.send(frames.frame(frames.PING, 0, 0, b"are we?!"))
        client.find(frames.PING, ack=True)
        other.send(other.headers(1) + data(1, prefixed(bytes(5000))[:200]))
        seen, _ = other.answer(1)
        assert seen["grpc-status"] == "8"
        client.send(frames.reset(1, frames.CANCEL) + client.call(3))
        assert client.answer(3)[1] == prefixed(b"hello")
        assert server.look(lambda: server.server.buffered) == 0


def test_header_bytes() -> None:
    with Serving(ECHO, Limits(header_bytes=1000)) as server:
        client = server.raw()
        client.send(client.call(1, more="x" * 2000))
        assert client.goaway()[0] == frames.ENHANCE_YOUR_CALM


@pytest.mark.parametrize("piece", [b"", b"\0\1a\1b"])
def test_header_bytes_over_many_continuations(piece: bytes) -> None:
    with Serving(ECHO) as server:
        client = server.raw()
        client.send(frames.frame(frames.HEADERS, 0, 1, client.block()))
        client.send(b"".join(frames.frame(frames.CONTINUATION, 0, 1, piece) for _ in range(50)))
        assert client.goaway()[0] == frames.ENHANCE_YOUR_CALM


def test_streams() -> None:
    with Serving(WAITING, Limits(streams=3)) as server:
        client = server.raw()
        client.send(b"".join(client.headers(n, "never") for n in (1, 3, 5, 7)))
        _, code = client.find(frames.RST_STREAM, 7)
        assert int.from_bytes(code, "big") == frames.REFUSED_STREAM
        client.send(frames.reset(1, frames.CANCEL) + client.call(9))
        assert client.answer(9)[1] == prefixed(b"hello")


def test_stream_window() -> None:
    """A stream's handler that reads nothing stops its client; more than the window is a fault."""
    with Serving(WAITING, Limits(stream_window=65535)) as server:
        client = server.raw()
        client.send(client.headers(1, "never") + b"".join(data(1, prefixed(bytes(16000))) for _ in range(12)))
        _, code = client.find(frames.RST_STREAM, 1)
        assert int.from_bytes(code, "big") == frames.FLOW_CONTROL_ERROR


def test_connection_window() -> None:
    with Serving(WAITING, Limits(connection_window=65535)) as server:
        client = server.raw()
        sent = 0
        client.send(b"".join(client.headers(n, "never") for n in range(1, 40, 2)))
        for stream in range(1, 40, 2):
            client.send(data(stream, prefixed(bytes(16000))))
            sent += 16005
        granted = frames.FIRST_WINDOW
        while granted < sent:
            granted += int.from_bytes(client.find(frames.WINDOW_UPDATE, 0)[1], "big")
        assert granted - sent <= 65535


def test_unsent_bytes() -> None:
    ended = threading.Event()

    async def handler(call: Call) -> None:
        try:
            while True:
                call.write(bytes(10_000))
                await asyncio.sleep(0)
        finally:
            ended.set()

    with Serving({"m": Streaming(handler)}, Limits(unsent_bytes=100_000)) as server:
        client = server.raw()
        client.send(client.call(1, name="m"))
        assert ended.wait(5)
        client.send(frames.window_update(0, 1 << 20) + frames.window_update(1, 1 << 20))
        seen, body = client.answer(1)
        assert (seen["grpc-status"], seen["grpc-message"]) == ("8", "the client takes its answers too slowly")
        assert 100_000 < len(body) < frames.FIRST_WINDOW + 100_000 + 2 * 10_005


@pytest.mark.parametrize("what", ["cancelled calls", "empty data", "settings", "priority", "unknown frames"])
def test_resets(what: str) -> None:
    with Serving(WAITING, Limits(resets=100, resets_per_s=1)) as server:
        client = server.raw()
        client.send(client.headers(1, "never"))
        one = {
            "empty data": data(1, b""),
            "settings": frames.settings({}),
            "priority": frames.frame(frames.PRIORITY, 0, 1, bytes(5)),
            "unknown frames": frames.frame(77, 0, 1, bytes(5)),
        }
        client.send(client.call(3))
        assert client.answer(3)[1] == prefixed(b"hello")
        for number in range(5, 405, 2):
            client.send(one.get(what) or client.headers(number, "never") + frames.reset(number, frames.CANCEL))
        assert client.goaway()[0] == frames.ENHANCE_YOUR_CALM


def test_a_message_of_which_nothing_more_comes_ends_its_call_and_no_other() -> None:
    with Serving(ECHO, Limits(stall_s=0.3, check_s=0.05)) as server:
        client = server.raw()
        client.send(client.headers(1) + data(1, prefixed(b"hello")[:-1]))
        client.send(client.headers(3, "echo_all") + data(3, prefixed(b"hello")[:-1]))
        client.send(client.headers(5, "echo_all") + data(5, prefixed(b"hello")))
        for stream in (1, 3):
            seen, _ = client.answer(stream)
            assert (seen["grpc-status"], seen["grpc-message"]) == ("4", "the message did not come in time")
        time.sleep(0.4)
        client.send(data(5, prefixed(b"again"), frames.END_STREAM))  # a stream may be silent between two messages
        seen, _ = client.answer(5)
        assert seen["grpc-status"] == "0"


def test_slowest_bytes_s() -> None:
    """A client that sends on, but too little, is ended; one that sends enough may take longer than stall_s."""
    message = prefixed(bytes(5000))
    with Serving(ECHO, Limits(stall_s=0.3, slowest_bytes_s=5000, check_s=0.02)) as server:
        slow, steady = server.raw(), server.raw()
        slow.send(slow.headers(1))
        steady.send(steady.headers(1))
        for start in range(0, 5000, 625):
            steady.send(data(1, message[start : start + 625]))
            slow.send(data(1, message[start // 100 : start // 100 + 6]))
            time.sleep(0.08)
        assert slow.answer(1)[0]["grpc-status"] == "4"
        steady.send(data(1, message[5000:], frames.END_STREAM))
        assert steady.answer(1)[0]["grpc-status"] == "0"


def test_a_frame_that_is_never_whole_costs_the_connection() -> None:
    with Serving(ECHO, Limits(stall_s=0.2, frame_bytes=16384, slowest_bytes_s=1 << 20, check_s=0.05)) as server:
        client, unended = server.raw(), server.raw()
        client.send(frames.frame(frames.PING, 0, 0, b"are we?!")[:-1])
        unended.send(frames.frame(frames.HEADERS, 0, 1, unended.block()))  # CONTINUATION does not come
        for one in (client, unended):
            while one.next() is not None:
                pass


def test_stall_s() -> None:
    """A call's window that stays empty costs the call, a socket that nobody reads the connection."""
    methods = {**ECHO, "big": Unary(lambda message, call: bytes(100_000))}
    with Serving(methods, Limits(stall_s=0.2, check_s=0.05, write_bytes=1 << 16)) as server:
        client = server.raw()
        client.send(client.call(1, name="big"))
        _, code = client.find(frames.RST_STREAM, 1)
        assert int.from_bytes(code, "big") == frames.CANCEL
        client.send(frames.window_update(0, 1 << 20) + client.call(3))
        assert client.answer(3)[1] == prefixed(b"hello")
        assert server.look(lambda: server.server.active_calls) == 0
        deaf = server.raw(greet=False)
        deaf.send(frames.PREFACE + frames.settings({frames.INITIAL_WINDOW: frames.LARGEST_WINDOW}))
        deaf.send(frames.window_update(0, 1 << 30))
        for number in range(1, 400, 2):
            deaf.send(deaf.call(number, name="big"))
        end = time.monotonic() + 10
        while server.look(lambda: len(server.server._connections)) > 1:
            assert time.monotonic() < end
            time.sleep(0.02)


def test_connections() -> None:
    with Serving(ECHO, Limits(connections=1)) as server:
        client, other = server.raw(), server.raw(greet=False)
        assert other.next() is None
        client.send(client.call(1))
        assert client.answer(1)[1] == prefixed(b"hello")


def test_handshake_s() -> None:
    with Serving(ECHO, Limits(handshake_s=0.2, check_s=0.05)) as server:
        client = server.raw(greet=False)
        client.send(frames.PREFACE[:10])
        while client.next() is not None:
            pass


def test_keepalive() -> None:
    with Serving(ECHO, Limits(keepalive_s=0.2, keepalive_answer_s=0.2, check_s=0.05)) as server:
        client = server.raw()
        flags, payload = client.find(frames.PING)
        assert flags == 0
        client.send(frames.frame(frames.PING, frames.ACK, 0, payload))
        client.find(frames.PING)
        assert client.next() is None  # not answered
