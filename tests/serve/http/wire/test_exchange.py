"""How an answer looks on the wire."""

from __future__ import annotations

from burnish.serve.http.wire.exchange import JSON, Exchange, error_body


class FakeCarrier:
    is_lost = is_ending = False

    def __init__(self) -> None:
        self.written, self.finished, self.aborted = b"", 0, 0

    def write(self, data: bytes) -> None:
        self.written += data

    def limit_unsent(self) -> None:
        pass

    def finish(self, exchange: Exchange) -> None:
        self.finished += 1

    def abort(self) -> None:
        self.aborted += 1


def exchange_of(method: bytes = b"GET") -> tuple[FakeCarrier, Exchange]:
    carrier = FakeCarrier()
    return carrier, Exchange(carrier, method, b"/", {})


def test_an_answer_has_a_length_and_comes_once() -> None:
    carrier, exchange = exchange_of()
    exchange.answer(200, JSON, b"{}", ((b"X", b"1"),))
    exchange.answer(500)
    assert (
        carrier.written == b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX: 1\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert carrier.finished == 1


def test_head_gets_the_length_but_not_the_body() -> None:
    carrier, exchange = exchange_of(b"HEAD")
    exchange.fail(405, "no")
    assert carrier.written.endswith(b"Content-Length: 14\r\n\r\n")


def test_a_stream_is_chunked_and_to_old_clients_ends_with_the_connection() -> None:
    carrier, exchange = exchange_of()
    exchange.begin(200, b"x")
    exchange.send(b"a" * 17)
    exchange.send(b"")
    exchange.end()
    assert carrier.written.partition(b"\r\n\r\n")[2] == b"11\r\n" + b"a" * 17 + b"\r\n0\r\n\r\n"
    carrier, exchange = exchange_of()
    exchange.is_old = True
    exchange.begin(200, b"x")
    exchange.send(b"abc")
    exchange.end()
    assert carrier.written.endswith(b"Connection: close\r\n\r\nabc")


def test_an_unusual_status_and_message_are_still_an_answer() -> None:
    carrier, exchange = exchange_of()
    exchange.fail(599, "\udcff is no text")
    assert carrier.written.startswith(b"HTTP/1.1 599 Unknown\r\n")
    assert error_body("\udcff is no text") == b'{"error":"\xff is no text"}'
