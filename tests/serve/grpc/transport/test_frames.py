from __future__ import annotations

import pytest

from burnish.serve.grpc.transport import frames


def test_a_frame_is_nine_bytes_of_head_and_its_payload() -> None:
    assert frames.frame(frames.PING, frames.ACK, 0, b"12345678") == bytes.fromhex("000008 06 01 00000000") + b"12345678"


def test_settings_are_pairs_of_two_and_four_bytes() -> None:
    data = frames.settings({frames.MAX_STREAMS: 7})
    assert data == bytes.fromhex("000006 04 00 00000000 0003 00000007")
    assert frames.read_settings(data[9:]) == [(frames.MAX_STREAMS, 7)]
    with pytest.raises(frames.ConnectionFault):
        frames.read_settings(b"\0\1\2")


def test_padding_is_taken_off_and_padding_longer_than_its_frame_is_a_fault() -> None:
    assert frames.without_padding(0, b"abc") == b"abc"
    assert frames.without_padding(frames.PADDED, b"\2abc\0\0") == b"abc"
    assert frames.without_padding(frames.PADDED, b"\0") == b""
    for payload in (b"", b"\1", b"\4abc"):
        with pytest.raises(frames.ConnectionFault):
            frames.without_padding(frames.PADDED, payload)
