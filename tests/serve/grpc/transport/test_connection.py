"""HTTP/2 by the byte: what RFC 9113 demands of a server, and any bytes at all."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest

from burnish.serve.grpc.transport import frames
from burnish.serve.grpc.transport.connection import Connection, peer_text
from burnish.serve.grpc.transport.limits import Limits
from tests.serve.grpc.transport.serving import ECHO, PATH, RawClient, Serving, data, prefixed

PING = frames.frame(frames.PING, 0, 0, b"12345678")


@pytest.fixture(scope="module")
def server():  # type: ignore[no-untyped-def]
    with Serving(ECHO) as serving:
        yield serving


def test_a_call_byte_by_byte(server: Serving) -> None:
    client = server.raw(greet=False)
    for byte in frames.PREFACE + frames.settings({}) + client.call(1):
        client.send(bytes([byte]))
    seen, body = client.answer(1)
    assert (seen[":status"], seen["content-type"], seen["grpc-status"]) == ("200", "application/grpc", "0")
    assert body == prefixed(b"hello")


def test_a_ping_comes_back_and_its_answer_does_not(server: Serving) -> None:
    client = server.raw()
    client.send(frames.frame(frames.PING, frames.ACK, 0, b"ignored!") + PING)
    assert client.find(frames.PING) == (frames.ACK, b"12345678")


def test_settings_are_acknowledged(server: Serving) -> None:
    client = server.raw()
    client.find(frames.SETTINGS, ack=True)


def test_headers_may_be_padded_prioritized_and_cut_into_continuations(server: Serving) -> None:
    client = server.raw()
    block = client.block()
    flags = frames.PADDED | frames.WITH_PRIORITY
    first = frames.frame(frames.HEADERS, flags, 1, b"\3" + bytes(5) + block[:4] + bytes(3))
    rest = frames.frame(frames.CONTINUATION, 0, 1, block[4:9]) + frames.frame(
        frames.CONTINUATION, frames.END_HEADERS, 1, block[9:]
    )
    padded = frames.frame(frames.DATA, frames.PADDED | frames.END_STREAM, 1, b"\7" + prefixed(b"hello") + bytes(7))
    client.send(first + rest + padded)
    assert client.answer(1)[1] == prefixed(b"hello")


@pytest.mark.parametrize(("change", "status"), [({"__method": "GET"}, "405"), ({"content_type": "text/html"}, "415")])
def test_what_is_http_but_no_grpc_gets_an_http_error(server: Serving, change: dict[str, str], status: str) -> None:
    client = server.raw()
    client.send(client.headers(1, **change) + client.call(3))
    assert client.answer(1)[0][":status"] == status
    assert client.answer(3)[1] == prefixed(b"hello")


def headers(flags: int, payload: bytes, stream: int = 1) -> bytes:
    return frames.frame(frames.HEADERS, flags, stream, payload)


FAULTS: dict[str, tuple[int, bytes]] = {
    "no settings first": (frames.PROTOCOL_ERROR, PING),
    "a frame too large": (frames.FRAME_SIZE_ERROR, frames.frame(frames.DATA, 0, 1, bytes((128 << 10) + 1))),
    "data of no stream": (frames.PROTOCOL_ERROR, data(1, b"x")),
    "data on stream 0": (frames.PROTOCOL_ERROR, data(0, b"x")),
    "headers on stream 2": (frames.PROTOCOL_ERROR, headers(frames.END_HEADERS, b"\x82", 2)),
    "headers on stream 0": (frames.PROTOCOL_ERROR, headers(frames.END_HEADERS, b"\x82", 0)),
    "headers that HPACK cannot read": (frames.COMPRESSION_ERROR, headers(frames.END_HEADERS, b"\xff\xff")),
    "headers without their priority": (frames.FRAME_SIZE_ERROR, headers(frames.WITH_PRIORITY, b"")),
    "continuation of nothing": (frames.PROTOCOL_ERROR, frames.frame(frames.CONTINUATION, frames.END_HEADERS, 1)),
    "an interrupted header block": (frames.PROTOCOL_ERROR, headers(0, b"\x82") + PING),
    "padding too long": (frames.PROTOCOL_ERROR, headers(frames.PADDED | frames.END_HEADERS, b"\5ab")),
    "push": (frames.PROTOCOL_ERROR, frames.frame(frames.PUSH_PROMISE, 0, 1, bytes(4))),
    "reset of no stream": (frames.PROTOCOL_ERROR, frames.reset(1, 0)),
    "reset too short": (frames.FRAME_SIZE_ERROR, frames.frame(frames.RST_STREAM, 0, 1)),
    "ping too short": (frames.FRAME_SIZE_ERROR, frames.frame(frames.PING, 0, 0, b"short")),
    "ping on a stream": (frames.PROTOCOL_ERROR, frames.frame(frames.PING, 0, 1, bytes(8))),
    "settings on a stream": (frames.PROTOCOL_ERROR, frames.frame(frames.SETTINGS, 0, 1)),
    "settings cut short": (frames.FRAME_SIZE_ERROR, frames.frame(frames.SETTINGS, 0, 0, b"123")),
    "settings: window": (frames.FLOW_CONTROL_ERROR, frames.settings({frames.INITIAL_WINDOW: 1 << 31})),
    "settings: frame": (frames.PROTOCOL_ERROR, frames.settings({frames.MAX_FRAME: 16383})),
    "settings: push": (frames.PROTOCOL_ERROR, frames.settings({frames.ENABLE_PUSH: 2})),
    "window of 0": (frames.FLOW_CONTROL_ERROR, frames.window_update(0, 0)),
    "window too large": (frames.FLOW_CONTROL_ERROR, frames.window_update(0, frames.LARGEST_WINDOW)),
    "window update too short": (frames.FRAME_SIZE_ERROR, frames.frame(frames.WINDOW_UPDATE, 0, 0)),
    "window of no stream": (frames.PROTOCOL_ERROR, frames.window_update(9, 1)),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_broken_connection_ends_with_its_reason_and_no_other_does(server: Serving, name: str) -> None:
    code, sent = FAULTS[name]
    other, client = server.raw(), server.raw(greet=name != "no settings first")
    client.send((frames.PREFACE if name == "no settings first" else b"") + sent)
    assert client.goaway()[0] == code
    other.send(other.call(1))
    assert other.answer(1)[1] == prefixed(b"hello")


def test_what_is_not_http_2_is_hung_up_on(server: Serving) -> None:
    client = server.raw(greet=False)
    client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    while (got := client.next()) is not None:
        assert got[0] in (frames.SETTINGS, frames.WINDOW_UPDATE)


STREAM_FAULTS = {
    "data after the end": (frames.STREAM_CLOSED, ("echo_all", frames.END_STREAM), data(1, b"x")),
    "second headers": (frames.PROTOCOL_ERROR, ("echo", 0), None),
    "window of 0": (frames.FLOW_CONTROL_ERROR, ("echo", 0), frames.window_update(1, 0)),
    "window too large": (frames.FLOW_CONTROL_ERROR, ("echo", 0), frames.window_update(1, frames.LARGEST_WINDOW)),
    "priority too short": (frames.FRAME_SIZE_ERROR, ("echo", 0), frames.frame(frames.PRIORITY, 0, 1)),
}


@pytest.mark.parametrize("name", STREAM_FAULTS)
def test_a_fault_in_one_call_ends_that_call_alone(server: Serving, name: str) -> None:
    code, (method, flags), sent = STREAM_FAULTS[name]
    client = server.raw()
    client.send(client.headers(1, method, flags) + (client.headers(1) if sent is None else sent))
    _, payload = client.find(frames.RST_STREAM, 1)
    assert int.from_bytes(payload, "big") == code
    client.send(client.call(3))
    assert client.answer(3)[1] == prefixed(b"hello")


def test_late_frames_of_a_call_that_is_over_are_ignored(server: Serving) -> None:
    client = server.raw()
    client.send(client.call(1))
    client.answer(1)
    client.send(frames.window_update(1, 5) + frames.reset(1, 0) + data(1, b"late") + client.headers(1) + client.call(3))
    assert client.answer(3)[1] == prefixed(b"hello")


def test_an_old_stream_number_begins_no_call(server: Serving) -> None:
    client = server.raw()
    client.send(client.call(7) + client.call(5) + client.call(9))
    assert client.answer(7)[1] == prefixed(b"hello")
    assert client.answer(9)[1] == prefixed(b"hello")


def test_a_peer_is_spelled_as_grpc_does() -> None:
    assert peer_text(("10.0.0.1", 5)) == "ipv4:10.0.0.1:5"
    assert peer_text(("::1", 5, 0, 0)) == "ipv6:[::1]:5"
    assert peer_text("") == "unix:"


def mutated(chosen: random.Random, client: RawClient) -> bytes:
    """Frames that are right, some of them broken."""
    pieces = []
    for stream in range(1, chosen.randint(2, 12), 2):
        call = [
            client.headers(stream, chosen.choice(("echo", "echo_all", "nosuch"))),
            data(stream, prefixed(chosen.randbytes(20))),
        ]
        call += [data(stream, b"", frames.END_STREAM), frames.window_update(stream, 5), frames.reset(stream, 8), PING]
        pieces += (
            chosen.sample(call, chosen.randint(1, len(call)))
            if chosen.random() < 0.5
            else call[: chosen.randint(1, len(call))]
        )
    broken = bytearray(b"".join(pieces))
    for _ in range(chosen.choice((0, 1, 1, 2, 10))):
        place = chosen.randrange(len(broken))
        if chosen.random() < 0.5:
            broken[place] = chosen.randrange(256)
        else:
            broken[place : place + chosen.randint(0, 5)] = chosen.randbytes(chosen.randint(0, 5))
    return bytes(broken)


def fuzz(server: Serving, seed: int, count: int) -> None:
    chosen = random.Random(seed)
    for _ in range(count):
        client = server.raw()
        client.socket.settimeout(5)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            client.send(mutated(chosen, client) if chosen.random() < 0.9 else chosen.randbytes(chosen.randint(1, 300)))
        client.close()
    good = server.raw()
    good.send(good.call(1))
    assert good.answer(1)[1] == prefixed(b"hello")
    assert server.look(lambda: server.server.active_calls) == 0
    assert server.look(lambda: server.server.buffered) == 0


def test_no_bytes_bring_the_server_down(server: Serving, caplog: pytest.LogCaptureFixture) -> None:
    fuzz(server, 11, 400)
    assert caplog.records == []


@pytest.mark.slow
def test_no_bytes_bring_the_server_down_in_a_long_run(server: Serving, caplog: pytest.LogCaptureFixture) -> None:
    fuzz(server, 12, 20_000)
    assert caplog.records == []


class NoTransport:
    """Takes what is written, and says where the connection is paused."""

    def __init__(self) -> None:
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes) -> None:
        assert not self.is_closed
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def abort(self) -> None: ...

    def write_eof(self) -> None:
        self.is_closed = True

    def can_write_eof(self) -> bool:
        return True

    def get_extra_info(self, name: str) -> None: ...

    def set_write_buffer_limits(self, high: int) -> None: ...


class NoServer:
    def __init__(self) -> None:
        self.methods = {PATH + name: method for name, method in ECHO.items()}
        self.limits = Limits(message_bytes=1000, resets=10_000)
        self.compression_level = self.buffered = 0
        self.is_full, self.rest = False, None

    def opened(self, connection: Connection) -> None: ...

    def closed(self, connection: Connection) -> None: ...


def fuzz_within(seed: int, count: int) -> int:
    """Broken bytes in pieces of any size, without a socket; how many calls were answered in spite of them."""
    chosen, answered = random.Random(seed), 0
    host = NoServer()

    async def run() -> None:
        nonlocal answered
        loop = asyncio.get_running_loop()
        for _ in range(count):
            transport, client = NoTransport(), RawClient.without_socket()
            connection = Connection(host, loop)
            connection.connection_made(transport)  # type: ignore[arg-type]
            sent = frames.PREFACE + frames.settings({}) + mutated(chosen, client)
            while sent and not transport.is_closed:
                size = chosen.choice((1, 9, 50, 2000))
                connection.data_received(sent[:size])
                sent = sent[size:]
            await asyncio.sleep(0)
            answered += transport.written.count(b"grpc-status\x010")
            connection.connection_lost(None)
            assert not connection.active_calls
            assert host.buffered == 0
            await asyncio.sleep(0)

    asyncio.run(run())
    return answered


def test_no_bytes_raise_or_leave_anything_behind(caplog: pytest.LogCaptureFixture) -> None:
    assert fuzz_within(21, 800) > 50  # some calls are whole in spite of it
    assert caplog.records == []


@pytest.mark.slow
def test_no_bytes_raise_or_leave_anything_behind_in_a_long_run(caplog: pytest.LogCaptureFixture) -> None:
    assert fuzz_within(22, 50_000) > 3000
    assert caplog.records == []
