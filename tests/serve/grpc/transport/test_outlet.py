"""Flow control of answers, with a client that gives out its windows byte by byte."""

from __future__ import annotations

import time

import pytest

from burnish.serve.grpc.transport import frames
from burnish.serve.grpc.transport.call import Call, Streaming, Unary
from burnish.serve.grpc.transport.limits import Limits
from tests.serve.grpc.transport.serving import ECHO, Serving, prefixed

ANSWER = prefixed(b"x" * 3000)


@pytest.mark.parametrize("step", [1, 7, 1000, 5000])
def test_an_answer_never_exceeds_its_calls_window(step: int) -> None:
    with Serving({"m": Unary(lambda message, call: b"x" * 3000)}) as server:
        client = server.raw(greet=False)
        client.send(frames.PREFACE + frames.settings({frames.INITIAL_WINDOW: 0}) + client.call(1, name="m"))
        client.find(frames.HEADERS, 1)
        got = b""
        while len(got) < len(ANSWER):
            size = step if len(got) > 20 or step > 1 else 1
            if step == 1 and len(got) > 20:
                size = 2990
            client.send(frames.window_update(1, size))
            _, payload = client.find(frames.DATA, 1)
            assert 0 < len(payload) <= size
            got += payload
        assert got == ANSWER
        flags, payload = client.find(frames.HEADERS, 1)
        assert flags & frames.END_STREAM


def test_answers_never_exceed_the_connections_window_and_take_turns() -> None:
    with Serving({"m": Unary(lambda message, call: b"x" * 100_000)}) as server:
        client = server.raw(greet=False)
        client.send(frames.PREFACE + frames.settings({frames.INITIAL_WINDOW: 1 << 20}))
        client.send(client.call(1, name="m") + client.call(3, name="m"))
        got = {1: 0, 3: 0}
        while sum(got.values()) < frames.FIRST_WINDOW:
            kind, _, stream, payload = client.next()  # type: ignore[misc]
            if kind == frames.DATA:
                got[stream] += len(payload)
        assert sum(got.values()) == frames.FIRST_WINDOW
        client.send(client.call(5, name="m"))
        client.send(frames.window_update(0, 300_000))
        while sum(got.values()) < 300_015:
            kind, _, stream, payload = client.next()  # type: ignore[misc]
            if kind == frames.DATA:
                got[stream] = got.get(stream, 0) + len(payload)
        assert got == {1: 100_005, 3: 100_005, 5: 100_005}


def test_smaller_windows_in_later_settings_are_kept() -> None:
    """A window may become negative (RFC 9113 6.9.2)."""
    with Serving({"m": Unary(lambda message, call: b"x" * 3000)}) as server:
        client = server.raw(greet=False)
        client.send(frames.PREFACE + frames.settings({frames.INITIAL_WINDOW: 100}) + client.call(1, name="m"))
        assert len(client.find(frames.DATA, 1)[1]) == 100
        client.send(frames.settings({frames.INITIAL_WINDOW: 40}))
        client.find(frames.SETTINGS, ack=True)
        client.send(frames.window_update(1, 60) + frames.frame(frames.PING, 0, 0, b"nothing?"))
        assert client.next()[0] == frames.PING  # type: ignore[index]
        client.send(frames.window_update(1, 10))
        assert len(client.find(frames.DATA, 1)[1]) == 10
        client.send(frames.settings({frames.INITIAL_WINDOW: 5000}))
        assert len(client.find(frames.DATA, 1)[1]) == 2895


def test_frames_are_as_large_as_the_client_takes() -> None:
    with Serving({"m": Unary(lambda message, call: b"x" * 60_000)}) as server:
        client = server.raw(greet=False)
        client.send(frames.PREFACE + frames.settings({frames.MAX_FRAME: 30_000}) + client.call(1, name="m"))
        sizes = [len(client.find(frames.DATA, 1)[1]) for _ in range(3)]
        assert sizes == [30_000, 30_000, 5]


def test_answers_wait_in_our_memory_only_up_to_a_limit() -> None:
    """A client that takes no answers is read no more; when it takes them, all come."""
    limits = Limits(write_bytes=1 << 16)
    count, size = 600, 60_000
    with Serving({"m": Unary(lambda message, call: bytes(size))}, limits) as server:
        client = server.raw(greet=False)
        client.send(frames.PREFACE + frames.settings({frames.INITIAL_WINDOW: frames.LARGEST_WINDOW}))
        client.send(frames.window_update(0, frames.LARGEST_WINDOW - frames.FIRST_WINDOW))
        client.socket.settimeout(0.5)
        sent = 0
        try:
            for number in range(count):
                client.send(client.call(2 * number + 1, name="m"))
                sent += 1
        except TimeoutError:
            pass
        client.socket.settimeout(10)
        time.sleep(0.1)
        waiting = server.look(lambda: sum(c._outlet._out_bytes for c in server.server._connections))
        assert waiting < 1 << 20
        got = 0
        while got < sent * (size + 5):
            kind, _, _, payload = client.next()  # type: ignore[misc]
            got += len(payload) if kind == frames.DATA else 0


def test_a_stream_that_is_not_read_waits_in_drain() -> None:
    written = 0

    async def handler(call: Call) -> None:
        nonlocal written
        for _ in range(100):
            call.write(bytes(10_000))
            written += 1
            await call.drain()

    with Serving({"m": Streaming(handler)}) as server:
        client = server.raw()
        client.send(client.call(1, name="m"))
        got = 0
        while got < frames.FIRST_WINDOW:
            kind, _, _, payload = client.next()  # type: ignore[misc]
            got += len(payload) if kind == frames.DATA else 0
        time.sleep(0.05)
        assert server.look(lambda: written) == 7
        client.send(frames.window_update(0, 1 << 20) + frames.window_update(1, 1 << 20))
        _, body = client.answer(1)
        assert got + len(body) == 100 * 10_005


def test_an_expired_call_ends_though_its_client_takes_nothing() -> None:
    async def handler(call: Call) -> None:
        call.write(bytes(200_000))
        await call.drain()

    with Serving({"m": Streaming(handler)}) as server:
        client = server.raw()
        client.send(client.call(1, name="m", grpc_timeout="50m"))
        assert client.answer(1)[0]["grpc-status"] == "4"


def test_a_cancelled_calls_answer_is_forgotten() -> None:
    with Serving({**ECHO, "m": Unary(lambda message, call: bytes(200_000))}) as server:
        client = server.raw()
        client.send(client.call(1, name="m"))
        got = 0
        while got < frames.FIRST_WINDOW:
            kind, _, _, payload = client.next()  # type: ignore[misc]
            got += len(payload) if kind == frames.DATA else 0
        client.send(frames.reset(1, frames.CANCEL) + frames.window_update(0, 1 << 20) + client.call(3))
        assert client.answer(3)[1] == prefixed(b"hello")
        assert server.look(lambda: server.server.active_calls) == 0
