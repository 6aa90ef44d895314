"""gzip and deflate, both ways."""

from __future__ import annotations

import gzip
import random
import zlib

import pytest

from burnish.serve.http.wire.compression import choose_encoding, compress, decompress
from burnish.serve.status import ServeError


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        (b"gzip", b"gzip"),
        (b"gzip, deflate", b"gzip"),
        (b"deflate, gzip", b"deflate"),
        (b"gzip;q=0.5, deflate;q=1.0", b"deflate"),
        (b"gzip;q=0", b""),
        (b"gzip;q=abc, deflate;q=.1", b"deflate"),
        (b"identity, gzip", b""),
        (b"br, *", b""),
        (b"", b""),
        (b";q=1, gzip;q=0.1x", b"gzip"),
        (b"GZIP", b""),
    ],
)
def test_the_first_of_the_largest_weight_is_chosen(accept: bytes, encoding: bytes) -> None:
    assert choose_encoding(accept) == encoding


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_what_is_packed_comes_out_again(encoding: bytes) -> None:
    body = bytes(range(256)) * 100
    assert decompress(compress(body, encoding), encoding, len(body)) == body
    assert (gzip.decompress if encoding == b"gzip" else zlib.decompress)(compress(body, encoding)) == body


def test_the_head_tells_which_of_the_two_it_is_as_for_triton() -> None:
    assert decompress(gzip.compress(b"abc"), b"deflate", 10) == b"abc"
    assert decompress(gzip.compress(b"abc") + gzip.compress(b"def"), b"gzip", 10) == b"abcdef"
    assert decompress(zlib.compress(b"abc") + b"what stands behind it", b"deflate", 10) == b"abc"


@pytest.mark.parametrize(
    ("body", "encoding", "status", "words"),
    [
        pytest.param(b"", b"gzip", 400, "nothing to be decompressed", id="empty"),
        pytest.param(b"plain", b"gzip", 400, "not valid gzip data", id="plain"),
        pytest.param(gzip.compress(b"abc")[:-9], b"gzip", 400, "ends before", id="cut short"),
        pytest.param(gzip.compress(b"abc") + b"\x1f\x8brubbish", b"gzip", 400, "not valid", id="bad second member"),
        pytest.param(gzip.compress(b"a" * 1001), b"gzip", 400, "larger than 1000 bytes", id="one too many"),
        pytest.param(gzip.compress(b"a" * 600) * 2, b"gzip", 400, "larger than 1000 bytes", id="two members"),
        pytest.param(b"x", b"br", 501, "Unsupported compression type", id="unknown encoding"),
    ],
)
def test_what_is_not_of_its_encoding_or_too_large_is_refused(
    body: bytes, encoding: bytes, status: int, words: str
) -> None:
    with pytest.raises(ServeError, match=words) as caught:
        decompress(body, encoding, 1000)
    assert caught.value.code.http == status


@pytest.mark.parametrize("size", [0, 1, 249, 250, 251, 3833, 3834, 3835, 32_505, 32_506, 70_000, 300_000])
@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_a_window_no_larger_than_the_body_finds_what_the_largest_one_finds(size, encoding):
    body = (random.Random(size).randbytes(size // 2 + 1) * 2)[:size]
    usual = zlib.compressobj(1, wbits=31 if encoding == b"gzip" else 15)
    packed = compress(body, encoding)
    assert zlib.decompress(packed, 47) == body
    assert len(packed) <= 1.01 * len(usual.compress(body) + usual.flush()) + 16
