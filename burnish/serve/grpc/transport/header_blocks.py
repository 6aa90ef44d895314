"""A call's headers: decoded once for each block of bytes, since a client sends the same one for call after call.

A block's meaning depends on HPACK's dynamic table (RFC 7541). One that left the table as it was means the same again,
and is kept until some block changes the table.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Final

from hpack import Decoder, HPACKError, OversizedHeaderListError
from hpack.table import HeaderTable

from burnish.serve.grpc.transport.frames import COMPRESSION_ERROR, ENHANCE_YOUR_CALM, ConnectionFault
from burnish.serve.grpc.transport.messages import ACCEPTED, GZIP, IDENTITY
from burnish.serve.grpc.transport.status import GrpcError, Status

KEPT_BLOCKS: Final = 64
KEPT_BYTES: Final = 1024  # of one block
_UNIT_S: Final = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}

Metadata = tuple[tuple[str, str | bytes], ...]


@dataclass(frozen=True, slots=True)
class Head:
    """What a call's headers say.

    timeout_s    None without a deadline
    http_status  not 200 where the request is no gRPC at all
    refusal      why it cannot be answered, though it is gRPC
    """

    path: str
    metadata: Metadata = ()
    timeout_s: float | None = None
    encoding: str = IDENTITY
    takes_gzip: bool = False
    http_status: int = 200
    refusal: GrpcError | None = None


class HeaderReader:
    """One connection's decoder."""

    __slots__ = ("_decoder", "_known", "_table")

    def __init__(self, largest_bytes: int) -> None:
        self._decoder = Decoder(max_header_list_size=largest_bytes)
        self._decoder.header_table = self._table = _WatchedTable()
        self._known: dict[bytes, Head] = {}

    def read(self, block: bytes) -> Head:
        """raises: ConnectionFault, since what a broken block leaves in the table is unknown"""
        known = self._known.get(block)
        if known is not None:
            return known
        before = self._table.state
        try:
            headers = self._decoder.decode(block, raw=True)
        except OversizedHeaderListError:
            raise ConnectionFault(ENHANCE_YOUR_CALM, "the headers are too large") from None
        except (HPACKError, IndexError, ValueError) as error:
            raise ConnectionFault(COMPRESSION_ERROR, f"the headers cannot be decoded: {error}") from None
        head = read_head([(bytes(name), bytes(value)) for name, value in headers])
        is_same = before == self._table.state
        if not is_same or len(self._known) >= KEPT_BLOCKS:
            self._known.clear()
        if is_same and len(block) <= KEPT_BYTES:
            self._known[block] = head
        return head


class _WatchedTable(HeaderTable):
    """Counts what is added."""

    def __init__(self) -> None:
        super().__init__()
        self._added = 0

    def add(self, name: bytes, value: bytes) -> None:
        self._added += 1
        super().add(name, value)

    @property
    def state(self) -> tuple[int, int, int]:
        """Differs after every block that changed the table; a new size drops entries or nothing."""
        return self._added, self.maxsize, len(self.dynamic_entries)


def read_head(headers: list[tuple[bytes, bytes]]) -> Head:
    """The meaning of a request's headers; what is wrong with them stands in `http_status` or `refusal`."""
    special: dict[bytes, bytes] = {}
    metadata: list[tuple[str, str | bytes]] = []
    try:
        for name, value in headers:
            if name.startswith((b":", b"grpc-")) or name in (b"content-type", b"te"):
                special[name] = value
            elif name.endswith(b"-bin"):
                metadata += [(name.decode("ascii"), _binary(part)) for part in value.split(b",")]
            else:
                metadata.append((name.decode("ascii"), value.decode("ascii")))
        path = special.get(b":path", b"").decode("ascii")
        encoding = special.get(b"grpc-encoding", b"identity").decode("ascii")
        timeout_s = _timeout(special.get(b"grpc-timeout"))
    except (UnicodeDecodeError, binascii.Error):
        return Head("", refusal=GrpcError(Status.INTERNAL, "a header holds bytes that gRPC does not allow there"))
    except GrpcError as error:
        return Head("", refusal=error)
    status, refusal = 200, None
    if special.get(b":method") != b"POST":
        status = 405
    elif not special.get(b"content-type", b"").startswith(b"application/grpc"):
        status = 415
    elif encoding not in ACCEPTED:
        refusal = GrpcError(Status.UNIMPLEMENTED, f"grpc-encoding '{encoding}' is none of {', '.join(ACCEPTED)}")
    takes_gzip = GZIP.encode() in special.get(b"grpc-accept-encoding", b"")
    return Head(path, tuple(metadata), timeout_s, encoding, takes_gzip, status, refusal)


def _binary(value: bytes) -> bytes:
    return base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)


def _timeout(text: bytes | None) -> float | None:
    """grpc-timeout: at most eight digits and a unit."""
    if text is None:
        return None
    digits, unit = text[:-1].decode("ascii"), text[-1:].decode("ascii")
    if not (digits.isdecimal() and len(digits) <= 8 and unit in _UNIT_S):
        raise GrpcError(Status.INTERNAL, "grpc-timeout is not up to eight digits and one of H, M, S, m, u, n")
    return int(digits) * _UNIT_S[unit]


def encoded(headers: list[tuple[bytes, bytes]]) -> bytes:
    """A header block that needs no table: every name and value as it is (RFC 7541 6.2.2)."""
    return b"".join(b"\0" + _text(name) + _text(value) for name, value in headers)


def encoded_metadata(metadata: Metadata) -> bytes:
    fields = []
    for name, value in metadata:
        data = base64.b64encode(value).rstrip(b"=") if isinstance(value, bytes) else value.encode("ascii")
        fields.append((name.encode("ascii"), data))
    return encoded(fields)


def _text(data: bytes) -> bytes:
    return _integer(len(data)) + data


def _integer(value: int) -> bytes:
    """With a prefix of seven bits (RFC 7541 5.1)."""
    if value < 127:
        return bytes((value,))
    value -= 127
    digits = [127]
    while value >= 128:
        digits.append(value & 127 | 128)
        value >>= 7
    return bytes([*digits, value])
