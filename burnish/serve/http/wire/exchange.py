"""A request that came over a connection, and its answer."""

from __future__ import annotations

import http
from collections.abc import Callable
from typing import Protocol

import orjson

from burnish.serve.http.text.strings import writable

JSON = b"application/json"
TEXT = b"text/plain"
EVENTS = b"text/event-stream; charset=utf-8"
BINARY = b"application/octet-stream"

_REASONS = {status.value: status.phrase.encode() for status in http.HTTPStatus}
_NO_HEADERS: tuple[tuple[bytes, bytes], ...] = ()
Headers = tuple[tuple[bytes, bytes], ...]


class Carrier(Protocol):
    """The connection that an exchange belongs to.

    is_lost     nobody reads any more
    is_ending   the answer under way is the connection's last
    """

    is_lost: bool

    @property
    def is_ending(self) -> bool: ...

    def write(self, data: bytes) -> None: ...

    def limit_unsent(self) -> None: ...

    def finish(self, exchange: Exchange) -> None: ...

    def abort(self) -> None: ...


class Exchange:
    """One request. It is answered once: with `answer`, or with `begin`, any number of `send`, and `end`.

    path       without the query, as the client spelled it
    headers    by name in lower case; of several of a name the last
    held_bytes what the body came in, counted until the answer is written
    refusal    (status, message) for a request that is answered without being looked at; the connection then ends
    on_gone    called once if the client goes before the answer's end
    """

    __slots__ = (
        "_connection", "_is_answered", "_is_chunked", "body", "headers", "held_bytes", "is_kept", "is_old", "method",
        "on_gone", "path", "refusal",
    )  # fmt: skip

    def __init__(self, connection: Carrier, method: bytes, path: bytes, headers: dict[bytes, bytes]) -> None:
        self._connection = connection
        self.method, self.path, self.headers = method, path, headers
        self.body: bytes = b""
        self.is_kept, self.is_old = True, False
        self.held_bytes = 0
        self.refusal: tuple[int, str] | None = None
        self.on_gone: Callable[[], None] | None = None
        self._is_answered = self._is_chunked = False

    @property
    def is_gone(self) -> bool:
        """Nobody reads an answer any more."""
        return self._connection.is_lost

    @property
    def is_answered(self) -> bool:
        return self._is_answered

    def answer(self, status: int, kind: bytes = TEXT, body: bytes = b"", headers: Headers = _NO_HEADERS) -> None:
        if self._is_answered:
            return
        self._is_answered = True
        sent = body if self.method != b"HEAD" else b""
        parts = [self._head(status, kind, headers), b"Content-Length: %d\r\n\r\n" % len(body), sent]
        self._connection.write(b"".join(parts))
        self._connection.finish(self)

    def answer_json(self, value: object, status: int = 200) -> None:
        self.answer(status, JSON, orjson.dumps(value))

    def fail(self, status: int, message: str, kind: bytes = TEXT, headers: Headers = _NO_HEADERS) -> None:
        self.answer(status, kind, error_body(message), headers)

    def begin(self, status: int, kind: bytes) -> None:
        """An answer whose length is not known. To HTTP/1.0 it goes on until the connection ends."""
        self._is_answered = True
        self._is_chunked = not self.is_old
        self.is_kept = self.is_kept and self._is_chunked
        end = b"Transfer-Encoding: chunked\r\n\r\n" if self._is_chunked else b"\r\n"
        self._connection.write(self._head(status, kind, ((b"Cache-Control", b"no-cache"),)) + end)

    def send(self, data: bytes) -> None:
        if data:
            self._connection.write(b"%x\r\n%b\r\n" % (len(data), data) if self._is_chunked else data)
            self._connection.limit_unsent()

    def end(self) -> None:
        if self._is_chunked:
            self._connection.write(b"0\r\n\r\n")
        self._connection.finish(self)

    def abort(self) -> None:
        """An answer that has begun cannot be completed: the connection ends."""
        self._connection.abort()

    def _head(self, status: int, kind: bytes, headers: Headers) -> bytes:
        head = b"HTTP/1.1 %d %b\r\nContent-Type: %b\r\n" % (status, _REASONS.get(status, b"Unknown"), kind)
        if headers:
            head += b"".join(b"%b: %b\r\n" % header for header in headers)
        if not self.is_kept or self._connection.is_ending:
            self.is_kept = False
            return head + b"Connection: close\r\n"
        return head + b"Connection: keep-alive\r\n" if self.is_old else head


def error_body(message: str) -> bytes:
    return orjson.dumps({"error": writable(message)})
