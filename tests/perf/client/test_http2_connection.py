"""What an HTTP/2 connection does with frames that a gRPC server seldom sends; grpcio's server is asked elsewhere."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from hpack import Decoder, Encoder

from burnish.perf.client import http2_frames as h2
from burnish.perf.client.endpoint import parse_url
from burnish.perf.client.http2_connection import NO_STATUS, Http2Connection, connect, header_block, problem_of
from burnish.perf.options import Tls


class Transport:
    def __init__(self) -> None:
        self.written, self.is_closed = b"", False
        self.flush: Callable[[], None] = lambda: None

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.is_closed

    def abort(self) -> None:
        self.is_closed = True

    def frames(self) -> list[tuple[int, int, int, bytes]]:
        """What was written since the last time."""
        self.flush()
        found, self.written = list(h2.Frames().feed(self.written.removeprefix(h2.PREFACE))), b""
        return found


class Heard:
    def __init__(self) -> None:
        self.data, self.ends = b"", list[str]()

    def on_data(self, data: bytes) -> None:
        self.data += data

    def on_end(self, problem: str) -> None:
        self.ends.append(problem)


def on_a_connection(act: Callable[[Http2Connection, Transport], Any]) -> Any:
    async def main() -> Any:
        connection, transport = Http2Connection(asyncio.get_running_loop()), Transport()
        connection.connection_made(transport)  # type: ignore[arg-type]
        transport.flush = connection.flush
        transport.frames()
        return act(connection, transport)

    return asyncio.run(main())


def headers(*fields: tuple[str, str]) -> bytes:
    encoder = Encoder()
    encoder.header_table_size = 0
    return bytes(encoder.encode(list(fields)))


OK = headers((":status", "200"), ("content-type", "application/grpc"))
FINE = headers(("grpc-status", "0"))


def test_a_message_waits_for_the_windows_and_its_parts_fit_the_servers_frames() -> None:
    def act(connection: Http2Connection, transport: Transport) -> None:
        connection.data_received(h2.settings({h2.INITIAL_WINDOW: 10, h2.LARGEST_FRAME: 6}))
        assert transport.frames() == [(h2.SETTINGS, h2.ACK, 0, b"")]
        number = connection.call(b"block", Heard(), b"0123456789abcdef")
        sent = transport.frames()
        assert sent[0] == (h2.HEADERS, h2.END_HEADERS, number, b"block")
        assert [f[3] for f in sent[1:]] == [b"\0\0\0\0\x10" + b"0", b"1234"]
        connection.data_received(h2.window_update(number, 6))
        assert transport.frames() == [(h2.DATA, 0, number, b"56789a")]
        connection.data_received(h2.settings({h2.INITIAL_WINDOW: 100}))
        assert transport.frames()[1:] == [(h2.DATA, h2.END_STREAM, number, b"bcdef")]

    on_a_connection(act)


def test_the_connections_own_window_holds_calls_back_too() -> None:
    def act(connection: Http2Connection, transport: Transport) -> None:
        connection.data_received(h2.settings({h2.INITIAL_WINDOW: 2**31 - 1}))
        for _ in range(2):
            connection.call(b"", Heard(), bytes(50_000))
        assert sum(len(f[3]) for f in transport.frames() if f[0] == h2.DATA) == h2.FIRST_WINDOW
        connection.data_received(h2.window_update(0, 10**6))
        assert sum(len(f[3]) for f in transport.frames()) == 2 * 50_005 - h2.FIRST_WINDOW

    on_a_connection(act)


def test_an_answer_is_data_and_a_status_also_in_continued_blocks() -> None:
    def act(connection: Http2Connection, transport: Transport) -> None:
        heard = Heard()
        number = connection.call(b"", heard, b"")
        connection.data_received(h2.frame(h2.HEADERS, h2.END_HEADERS, number, OK))
        connection.data_received(h2.frame(h2.DATA, 0, number, b"answer"))
        assert heard.ends == []
        connection.data_received(h2.frame(h2.HEADERS, h2.END_STREAM, number, FINE[:3]))
        connection.data_received(h2.frame(h2.CONTINUATION, h2.END_HEADERS, number, FINE[3:]))
        assert (heard.data, heard.ends) == (b"answer", [""])

    on_a_connection(act)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ([("grpc-status", "0")], ""),
        ([("grpc-status", "3"), ("grpc-message", "caf%C3%A9 50%25")], "INVALID_ARGUMENT: café 50%"),
        ([("grpc-status", "99")], "99: "),
        ([(":status", "502")], "HTTP status 502"),
        ([(":status", "200")], NO_STATUS),
        ([(b":status", b"200"), (b"grpc-status", b"14")], "UNAVAILABLE: "),
    ],
)
def test_a_status_becomes_a_sentence(fields: Any, problem: str) -> None:
    assert problem_of(fields) == problem


def test_pings_are_answered_resets_and_farewells_end_calls() -> None:
    def act(connection: Http2Connection, transport: Transport) -> None:
        calls = [Heard() for _ in range(4)]
        numbers = [connection.call(b"", heard, b"") for heard in calls]
        transport.frames()
        connection.data_received(h2.frame(h2.PING, 0, 0, b"12345678"))
        assert transport.frames() == [(h2.PING, h2.ACK, 0, b"12345678")]
        connection.data_received(h2.frame(h2.RST_STREAM, 0, numbers[0], struct.pack(">I", 11)))
        assert calls[0].ends == ["the server reset the call (HTTP/2 code 11)"]
        connection.data_received(h2.frame(h2.GOAWAY, 0, 0, struct.pack(">II", numbers[2], 0)))
        assert not connection.is_open
        assert [heard.ends for heard in calls[1:]] == [[], [], ["the server is going away"]]
        connection.cancel(numbers[1])
        assert transport.frames() == [(h2.RST_STREAM, 0, numbers[1], struct.pack(">I", h2.CANCEL))]
        connection.connection_lost(None)
        assert calls[1].ends == [] and "closed the connection" in calls[2].ends[0]

    on_a_connection(act)


def test_a_call_on_a_connection_that_is_gone_fails_and_does_not_wait() -> None:
    def act(connection: Http2Connection, transport: Transport) -> None:
        connection.connection_lost(None)
        heard = Heard()
        connection.call(b"", heard, b"x")
        assert heard.ends == ["the server closed the connection"]

    on_a_connection(act)


def test_what_is_not_http_2_ends_the_connection() -> None:
    def act(connection: Http2Connection, transport: Transport) -> None:
        heard = Heard()
        number = connection.call(b"", heard, b"")
        connection.data_received(h2.frame(h2.HEADERS, h2.END_HEADERS, number, b"\xff\xff\xff"))
        assert heard.ends and heard.ends[0].startswith("the answer is not gRPC") and transport.is_closed

    on_a_connection(act)


def test_a_header_block_says_the_same_whatever_came_before() -> None:
    endpoint = parse_url("grpcs://host:5", "grpc")
    block = header_block(endpoint, "ModelInfer", {"X-Key": "abc"}, 1.5)
    decoder = Decoder()
    for _ in range(2):
        found = dict(decoder.decode(block))
        assert found[":path"] == "/inference.GRPCInferenceService/ModelInfer" and found[":authority"] == "host:5"
        assert (found[":scheme"], found["x-key"], found["grpc-timeout"]) == ("https", "abc", "1500m")
    assert len(decoder.header_table.dynamic_entries) == 0


def test_a_secured_connection_agrees_on_http_2(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    context.set_alpn_protocols(["h2"])
    agreed: list[str | None] = []

    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            agreed.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
            writer.write(h2.settings({}))
            await reader.read()
            writer.close()

        listening = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
        port = listening.sockets[0].getsockname()[1]
        found = await connect(parse_url(f"grpcs://127.0.0.1:{port}", "grpc", Tls(str(tmp_path / "ca.pem"))), 5.0)
        found.close()
        await asyncio.sleep(0.05)
        listening.close()

    asyncio.run(main())
    assert agreed == ["h2"]


def test_a_server_that_says_nothing_is_given_up() -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        try:
            await connect(parse_url(f"127.0.0.1:{port}", "grpc"), 0.05)
        finally:
            await asyncio.sleep(0.05)  # the server's side sees the end
            listening.close()

    with pytest.raises(ConnectionError, match="time limit"):
        asyncio.run(main())
