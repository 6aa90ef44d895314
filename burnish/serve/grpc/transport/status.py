"""gRPC's status codes, the error that carries one, and how its message travels."""

from __future__ import annotations

import enum


class Status(enum.IntEnum):
    """The codes of gRPC's specification."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class GrpcError(Exception):
    """A call's end that is not OK. The message is for the client: it holds no path of this machine."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status, self.message = status, message


def percent_encoded(message: str) -> bytes:
    """As the trailer grpc-message holds it: UTF-8; the percent sign and what is not printable ASCII are %XX."""
    data = message.encode("utf-8", "replace")
    if data.isascii() and message.isprintable() and b"%" not in data:
        return data
    return b"".join(b"%c" % b if 32 <= b < 127 and b != 37 else b"%%%02X" % b for b in data)
