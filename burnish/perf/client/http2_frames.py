"""The frames of HTTP/2 (RFC 9113) that a gRPC client needs."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, _PRIORITY, RST_STREAM, SETTINGS, _PUSH, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITIZED = 0x1, 0x1, 0x4, 0x8, 0x20
TABLE_SIZE, ENABLE_PUSH, INITIAL_WINDOW, LARGEST_FRAME = 1, 2, 4, 5
NO_ERROR, CANCEL = 0, 8
FIRST_WINDOW, FIRST_FRAME = 65535, 16384  # until the other side says otherwise
LARGEST_WINDOW = LARGEST_STREAM = 2**31 - 1
_HEAD = struct.Struct(">BHBBI")  # a length of 24 bits, kind, flags, stream


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return _HEAD.pack(len(payload) >> 16, len(payload) & 0xFFFF, kind, flags, stream) + payload


def settings(values: Mapping[int, int]) -> bytes:
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *item) for item in values.items()))


def window_update(stream: int, size: int) -> bytes:
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", size))


def read_settings(payload: bytes) -> dict[int, int]:
    return dict(struct.iter_unpack(">HI", payload[: len(payload) // 6 * 6]))


def number(payload: bytes) -> int:
    """The 31 bits that a window update, a reset or a GOAWAY begins with."""
    return int.from_bytes(payload[:4], "big") & LARGEST_STREAM


class Frames:
    """Cuts what arrives into frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
        """Kind, flags, stream and payload, without padding and priority, of each frame that is whole."""
        if self._rest:
            data = self._rest + data
        place, end = 0, len(data)
        while end - place >= 9:
            high, low, kind, flags, stream = _HEAD.unpack_from(data, place)
            after = place + 9 + (high << 16 | low)
            if after > end:
                break
            payload = data[place + 9 : after]
            if flags & (PADDED | PRIORITIZED) and kind in (DATA, HEADERS):
                payload = _bare(kind, flags, payload)
            place = after
            yield kind, flags, stream & LARGEST_STREAM, payload
        self._rest = data[place:]


def _bare(kind: int, flags: int, payload: bytes) -> bytes:
    padding = 0
    if flags & PADDED:
        padding, payload = payload[0], payload[1:]
    if kind == HEADERS and flags & PRIORITIZED:
        payload = payload[5:]
    return payload[: len(payload) - padding]
