from __future__ import annotations

import random

import pytest
from hpack import Decoder, Encoder
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.serve.grpc.transport.frames import ConnectionFault
from burnish.serve.grpc.transport.header_blocks import HeaderReader, encoded, encoded_metadata, read_head
from burnish.serve.grpc.transport.status import Status

CALL = [
    (":method", "POST"),
    (":scheme", "http"),
    (":path", "/s/M"),
    ("content-type", "application/grpc"),
    ("te", "trailers"),
]


def as_bytes(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(n.encode(), v.encode()) for n, v in headers]


def test_a_repeated_block_is_decoded_once_and_only_while_the_table_is_the_same() -> None:
    """Against a decoder that decodes every block anew, over a client that changes its mind."""
    chosen = random.Random(3)
    encoder, plain, reader = Encoder(), Decoder(), HeaderReader(16384)
    repeated = 0
    seen: dict[bytes, object] = {}
    for _ in range(400):
        if chosen.random() < 0.05:
            encoder.header_table_size = chosen.choice((0, 100, 4096))
        more = [("user", str(chosen.randint(0, 2)))] if chosen.random() < 0.4 else []
        block = encoder.encode(CALL + more, huffman=chosen.random() < 0.5)
        head = reader.read(block)
        repeated += head is seen.get(block)
        seen[block] = head
        want = plain.decode(block)
        assert list(head.metadata) == [(n, v) for n, v in want if n == "user"]
        assert head.path == dict(want)[":path"]
    assert repeated > 50


def test_many_different_blocks_do_not_pile_up() -> None:
    reader, encoder = HeaderReader(16384), Encoder()
    for number in range(500):
        reader.read(encoder.encode([*CALL, (":path", f"/s/{number}", True)]))  # type: ignore[list-item]
    assert len(reader._known) <= 64


def test_headers_that_are_too_large_or_broken_end_the_connection() -> None:
    with pytest.raises(ConnectionFault, match="too large"):
        HeaderReader(1000).read(Encoder().encode([("a", "b" * 1000)]))
    with pytest.raises(ConnectionFault, match="cannot be decoded"):
        HeaderReader(1000).read(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_are_headers_or_a_fault(block: bytes) -> None:
    reader = HeaderReader(1000)
    try:
        reader.read(block)
    except ConnectionFault:
        return
    reader.read(block)


@pytest.mark.parametrize(
    ("text", "seconds"), [("5S", 5.0), ("100m", 0.1), ("2M", 120.0), ("1H", 3600.0), ("7u", 7e-6), ("3n", 3e-9)]
)
def test_a_timeout_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert read_head(as_bytes([*CALL, ("grpc-timeout", text)])).timeout_s == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "S", "5", "5s", "-5S", "123456789S", "5 S"])
def test_any_other_timeout_is_refused(text: str) -> None:
    refusal = read_head(as_bytes([*CALL, ("grpc-timeout", text)])).refusal
    assert refusal is not None
    assert refusal.status == Status.INTERNAL


def test_binary_metadata_is_base64_with_or_without_padding_and_may_be_joined() -> None:
    head = read_head(as_bytes([*CALL, ("a-bin", "AAE"), ("b-bin", "AAE=,/w"), ("c", "x")]))
    assert head.metadata == (("a-bin", b"\0\1"), ("b-bin", b"\0\1"), ("b-bin", b"\xff"), ("c", "x"))
    assert read_head(as_bytes([*CALL, ("a-bin", "!")])).refusal is not None


def test_what_is_no_grpc_call_gets_an_http_status() -> None:
    assert read_head(as_bytes([(n, "GET" if n == ":method" else v) for n, v in CALL])).http_status == 405
    assert read_head(as_bytes([(n, "text/html" if n == "content-type" else v) for n, v in CALL])).http_status == 415


def test_an_encoding_that_we_do_not_know_is_refused_by_name() -> None:
    refusal = read_head(as_bytes([*CALL, ("grpc-encoding", "snappy")])).refusal
    assert refusal is not None
    assert refusal.status == Status.UNIMPLEMENTED
    assert "identity, deflate, gzip" in refusal.message


@pytest.mark.parametrize("size", [0, 1, 126, 127, 128, 255, 16383, 16384, 20000])
def test_what_we_send_any_decoder_reads(size: int) -> None:
    assert Decoder().decode(encoded([(b"name", b"v" * size)])) == [("name", "v" * size)]


def test_metadata_that_we_send_is_text_or_base64() -> None:
    block = encoded_metadata((("a", "text"), ("b-bin", b"\0\1")))
    assert Decoder().decode(block) == [("a", "text"), ("b-bin", "AAE")]
