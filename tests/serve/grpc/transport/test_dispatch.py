"""From messages to handlers: what is refused, and what a handler's failure becomes."""

from __future__ import annotations

import logging

import pytest

from burnish.serve.grpc.transport import frames
from burnish.serve.grpc.transport.call import Call, Streaming, Unary
from tests.serve.grpc.transport.serving import ECHO, Serving, data, prefixed


def test_an_unknown_method_is_unimplemented() -> None:
    with Serving(ECHO) as server:
        client = server.raw()
        client.send(client.call(1, name="nosuch"))
        seen, _ = client.answer(1)
        assert (seen["grpc-status"], seen["grpc-message"]) == ("12", "unknown method /test.Service/nosuch")


@pytest.mark.parametrize("kind", ["unary", "later", "stream"])
def test_a_handlers_own_mistake_is_internal_and_shown_to_nobody_but_the_log(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def later(message: bytes, call: Call) -> bytes:
        raise RuntimeError("a secret")

    async def stream(call: Call) -> None:
        raise RuntimeError("a secret")

    def unary(message: bytes, call: Call) -> bytes:
        raise RuntimeError("a secret")

    methods = {"unary": Unary(unary), "later": Unary(later), "stream": Streaming(stream)}
    with caplog.at_level(logging.ERROR), Serving(methods) as server:
        client = server.raw()
        client.send(client.call(1, name=kind))
        seen, _ = client.answer(1)
        assert seen["grpc-status"] == "13"
        assert "secret" not in seen["grpc-message"]
        client.send(client.call(3, name=kind))
        assert client.answer(3)[0]["grpc-status"] == "13"
    assert "a secret" in caplog.text


@pytest.mark.parametrize(
    ("payloads", "words"),
    [
        ([], "this one has none"),
        ([prefixed(b"a"), prefixed(b"b")], "this one has 2"),
        ([prefixed(b"abc")[:-1]], "cut short"),
        ([b"\1\0\0\0\0"], "marked as compressed"),
    ],
)
@pytest.mark.parametrize("apart", [False, True])
def test_a_unary_call_has_exactly_one_message(payloads: list[bytes], words: str, apart: bool) -> None:
    with Serving(ECHO) as server:
        client = server.raw()
        pieces = payloads if apart else [b"".join(payloads)]
        client.send(client.headers(1) + b"".join(data(1, p) for p in pieces) + data(1, b"", frames.END_STREAM))
        seen, _ = client.answer(1)
        assert seen["grpc-status"] == "13"
        assert words in seen["grpc-message"]
        client.send(client.call(3))
        assert client.answer(3)[1] == prefixed(b"hello")
        assert server.look(lambda: server.server.buffered) == 0


def test_a_call_without_any_message_is_refused() -> None:
    with Serving(ECHO) as server:
        client = server.raw()
        client.send(client.headers(1, flags=frames.END_STREAM))
        assert client.answer(1)[0]["grpc-status"] == "13"


def test_a_message_may_come_in_any_pieces() -> None:
    with Serving(ECHO) as server:
        client = server.raw()
        client.send(
            client.headers(1)
            + b"".join(data(1, bytes([b])) for b in prefixed(b"hello"))
            + data(1, b"", frames.END_STREAM)
        )
        assert client.answer(1)[1] == prefixed(b"hello")
        client.send(client.headers(3) + data(3, prefixed(b"hello")))
        client.send(client.headers(3, flags=frames.END_STREAM))  # a client's trailers
        assert client.answer(3)[1] == prefixed(b"hello")


def test_a_refusal_before_the_clients_end_tells_it_to_stop() -> None:
    with Serving(ECHO) as server:
        client = server.raw()
        client.send(client.headers(1, "nosuch"))
        assert client.answer(1)[0]["grpc-status"] == "12"
        _, code = client.find(frames.RST_STREAM, 1)
        assert int.from_bytes(code, "big") == frames.NO_ERROR
        client.send(data(1, bytes(100)) + client.call(3))  # what was on its way does no harm
        assert client.answer(3)[1] == prefixed(b"hello")
