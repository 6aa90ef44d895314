"""gRPC's messages on the wire: a byte that says whether it is compressed, four of length, the message."""

from __future__ import annotations

import zlib
from typing import Final

from burnish.serve.grpc.transport.status import GrpcError, Status

PREFIX_BYTES: Final = 5
IDENTITY, GZIP, DEFLATE = "identity", "gzip", "deflate"
ACCEPTED: Final = (IDENTITY, DEFLATE, GZIP)
_WINDOW_BITS: Final = {GZIP: zlib.MAX_WBITS | 16, DEFLATE: zlib.MAX_WBITS}


class MessageReader:
    """Puts messages together from pieces of any size.

    held    bytes of the message that is not complete
    raises: RESOURCE_EXHAUSTED as soon as a message's length is known to be too large, INTERNAL where it is malformed
    """

    __slots__ = ("_chunks", "_encoding", "_largest", "_needed", "held")

    def __init__(self, encoding: str, largest_bytes: int) -> None:
        self._encoding, self._largest = encoding, largest_bytes
        self._chunks: list[bytes] = []
        self._needed = PREFIX_BYTES
        self.held = 0

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that this piece completes."""
        self._chunks.append(data)
        self.held += len(data)
        if self.held < self._needed:
            return []
        return self._complete(b"".join(self._chunks))

    def _complete(self, data: bytes) -> list[bytes]:
        found = []
        start, self._needed = 0, PREFIX_BYTES
        while len(data) - start >= PREFIX_BYTES:
            size = int.from_bytes(data[start + 1 : start + PREFIX_BYTES], "big")
            if size > self._largest:
                raise too_large(size, self._largest)
            end = start + PREFIX_BYTES + size
            if end > len(data):
                self._needed = PREFIX_BYTES + size
                break
            found.append(unpacked(data[start], data[start + PREFIX_BYTES : end], self._encoding, self._largest))
            start = end
        rest = data[start:]
        self._chunks, self.held = [rest] if rest else [], len(rest)
        return found


def unpacked(flag: int, message: bytes, encoding: str, largest_bytes: int) -> bytes:
    """The message itself; at most so many bytes of it are ever decompressed."""
    if flag == 0:
        return message
    if flag != 1 or encoding not in _WINDOW_BITS:
        raise GrpcError(Status.INTERNAL, f"a message is marked as compressed ({flag}), with grpc-encoding '{encoding}'")
    reader = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        data = reader.decompress(message, largest_bytes + 1)
    except zlib.error as error:
        raise GrpcError(Status.INTERNAL, f"a message is not {encoding}: {error}") from None
    if len(data) > largest_bytes:
        raise too_large(len(data), largest_bytes)
    if not reader.eof:
        raise GrpcError(Status.INTERNAL, f"a message's {encoding} data is cut short")
    return data


def packed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message


def compressed(message: bytes, level: int) -> bytes:
    """With gzip, if that is shorter."""
    writer = zlib.compressobj(level, zlib.DEFLATED, _WINDOW_BITS[GZIP])
    data = writer.compress(message) + writer.flush()
    return b"\1" + len(data).to_bytes(4, "big") + data if len(data) < len(message) else packed(message)


def too_large(size: int, largest: int) -> GrpcError:
    return GrpcError(Status.RESOURCE_EXHAUSTED, f"Received message larger than max ({size} vs. {largest})")
