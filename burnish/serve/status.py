"""What a request may fail with: Triton's error codes, and what each is in HTTP and in gRPC."""

from __future__ import annotations

import enum


class Code(enum.Enum):
    """Triton's error codes; the value is (HTTP status, gRPC status code number)."""

    UNKNOWN = (400, 2)  # Triton's HTTP knows five of its codes; the others are 400
    INTERNAL = (500, 13)
    NOT_FOUND = (404, 5)
    INVALID_ARG = (400, 3)
    UNAVAILABLE = (503, 14)
    UNSUPPORTED = (501, 12)
    ALREADY_EXISTS = (400, 6)
    CANCELLED = (400, 1)
    UNAUTHENTICATED = (401, 16)
    PERMISSION_DENIED = (403, 7)

    @property
    def http(self) -> int:
        return self.value[0]

    @property
    def grpc(self) -> int:
        return self.value[1]


class ServeError(Exception):
    """An error that a client is answered with. The message is for the client: it holds no path of this machine."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    def of_request(self, request_id: str) -> ServeError:
        """The same error, as Triton words what it finds once a request is complete: its id comes first."""
        return ServeError(self.code, f"[request id: {request_id or '<id_unknown>'}] {self.message}")


def invalid(message: str) -> ServeError:
    return ServeError(Code.INVALID_ARG, message)


def unexpected(error: BaseException) -> ServeError:
    """What nobody foresaw, as an answer."""
    return ServeError(Code.INTERNAL, f"{type(error).__name__}: {error}")
