"""gzip and deflate, both ways: which one a client takes, and bodies in and out of it."""

from __future__ import annotations

import functools
import re
import zlib

from burnish.serve.status import Code, ServeError, invalid

GZIP, DEFLATE = b"gzip", b"deflate"
_EITHER = zlib.MAX_WBITS | 32  # gzip's head or zlib's
_GZIP_HEAD = b"\x1f\x8b"
_LEVEL = 1  # three times faster than zlib's usual one; tensors hardly become smaller with more work
_LOOK_AHEAD = 262  # a window holds this much less than its size
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


@functools.lru_cache(maxsize=256)  # clients send few different ones
def choose_encoding(accept: bytes) -> bytes:
    """The answer's encoding: the first of those with the largest weight, b"" for none; words that it does not know are
    passed over, `*` with them, as Triton does."""
    best, weight = b"", 0.0
    for entry in accept.decode("latin-1").split(","):
        name, has_weight, text = entry.partition(";q=")
        name = name.lstrip(" ")
        if not name:
            continue
        own = 1.0
        if has_weight:
            number = _NUMBER.match(text)
            if number is None:
                continue
            own = float(number.group())
        if name in ("identity", "deflate", "gzip") and own > weight:
            best, weight = name.encode() if name != "identity" else b"", own
    return best


def compress(body: bytes, encoding: bytes) -> bytes:
    """With a window no larger than the body: zlib's usual tables of 256 KiB cost more than packing a short answer."""
    bits = min(max((len(body) + _LOOK_AHEAD).bit_length(), 9), zlib.MAX_WBITS)
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, bits | 16 if encoding == GZIP else bits, bits - 7)
    return packer.compress(body) + packer.flush()


def decompress(body: bytes, encoding: bytes, limit: int) -> bytes:
    """raises: INVALID_ARG for what is not of that encoding, UNSUPPORTED for encodings that are not known"""
    if encoding not in (GZIP, DEFLATE):
        raise ServeError(Code.UNSUPPORTED, "Unsupported compression type")
    if not body:
        raise invalid("nothing to be decompressed")
    parts: list[bytes] = []
    size, rest = 0, body
    while rest:  # a gzip body may have several members
        stream = zlib.decompressobj(wbits=_EITHER)
        try:
            part = stream.decompress(rest, limit - size + 1)
        except zlib.error:
            if parts and not rest.startswith(_GZIP_HEAD):
                break  # something else stands behind the data, and is passed over as in Triton
            raise invalid(f"the request body is not valid {encoding.decode()} data") from None
        size += len(part)
        if size > limit:
            raise invalid(f"the request body is larger than {limit} bytes when decompressed")
        if not stream.eof:
            raise invalid(f"the request body ends before its {encoding.decode()} data does")
        parts.append(part)
        rest = stream.unused_data
    return parts[0] if len(parts) == 1 else b"".join(parts)
