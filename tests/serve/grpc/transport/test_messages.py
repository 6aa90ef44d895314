from __future__ import annotations

import gzip
import random
import zlib

import pytest

from burnish.serve.grpc.transport.messages import MessageReader, compressed, packed, unpacked
from burnish.serve.grpc.transport.status import GrpcError, Status


def test_messages_come_out_whole_however_they_were_cut() -> None:
    chosen = random.Random(1)
    sent = [chosen.randbytes(chosen.choice((0, 1, 4, 5, 300))) for _ in range(60)]
    data = b"".join(packed(m) for m in sent)
    for largest in (1, 3, 7, 64, len(data)):
        reader, got, rest = MessageReader("identity", 1000), [], data
        while rest:
            size = chosen.randint(1, largest)
            got += reader.feed(rest[:size])
            rest = rest[size:]
        assert got == sent
        assert reader.held == 0


def test_a_message_too_large_is_refused_by_its_length_alone() -> None:
    reader = MessageReader("identity", 1000)
    with pytest.raises(GrpcError, match=r"Received message larger than max \(1001 vs. 1000\)") as refused:
        reader.feed(packed(bytes(1001))[:6])
    assert refused.value.status == Status.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(("encoding", "compress"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_messages_are_read_up_to_the_limit(encoding: str, compress: object) -> None:
    data = compress(b"x" * 1000)  # type: ignore[operator]
    assert unpacked(1, data, encoding, 1000) == b"x" * 1000
    with pytest.raises(GrpcError, match="larger than max"):
        unpacked(1, data, encoding, 999)
    with pytest.raises(GrpcError, match="cut short"):
        unpacked(1, data[:-3], encoding, 1000)
    with pytest.raises(GrpcError, match=f"is not {encoding}"):
        unpacked(1, b"no such data", encoding, 1000)


@pytest.mark.parametrize(("flag", "encoding"), [(1, "identity"), (2, "gzip")])
def test_a_flag_without_its_encoding_is_refused(flag: int, encoding: str) -> None:
    with pytest.raises(GrpcError, match="marked as compressed"):
        unpacked(flag, b"", encoding, 10)


def test_an_answer_that_gzip_makes_longer_goes_as_it_is() -> None:
    noise = random.Random(2).randbytes(64)
    assert compressed(noise, 6) == packed(noise)
    data = compressed(bytes(5000), 6)
    assert data[0] == 1
    assert gzip.decompress(data[5:]) == bytes(5000)
