"""A request whose answer goes to another process instead of a connection."""

from __future__ import annotations

import asyncio

from burnish.serve.http.wire.exchange import TEXT, Exchange, Headers

Head = tuple[int, Headers]


class _NoConnection:
    """What an Exchange asks of its connection. is_lost: whoever asked has gone."""

    is_lost = False
    is_ending = False

    def write(self, data: bytes) -> None:
        raise AssertionError("a remote exchange writes nothing to a connection")

    def limit_unsent(self) -> None: ...

    def finish(self, exchange: Exchange) -> None: ...

    def abort(self) -> None: ...


class RemoteExchange(Exchange):
    """head     status and headers, once they are known
    pieces   of the body, then None
    """

    __slots__ = ("_none", "head", "pieces")

    def __init__(self, method: bytes, path: bytes, headers: dict[bytes, bytes], body: bytes) -> None:
        self._none = _NoConnection()
        super().__init__(self._none, method, path, headers)
        self.body = body
        self.head: asyncio.Future[Head] = asyncio.get_running_loop().create_future()
        self.pieces: asyncio.Queue[bytes | None] = asyncio.Queue()

    def answer(self, status: int, kind: bytes = TEXT, body: bytes = b"", headers: Headers = ()) -> None:
        if self._is_answered:
            return
        self._begin(status, kind, headers)
        self.send(body)
        self.end()

    def begin(self, status: int, kind: bytes) -> None:
        self._begin(status, kind, ((b"Cache-Control", b"no-cache"),))

    def _begin(self, status: int, kind: bytes, headers: Headers) -> None:
        self._is_answered = True
        if not self.head.done():  # it is if nobody waits any more
            self.head.set_result((status, ((b"Content-Type", kind), *headers)))

    def send(self, data: bytes) -> None:
        if data:
            self.pieces.put_nowait(data)

    def end(self) -> None:
        self.pieces.put_nowait(None)

    def abort(self) -> None:
        self.end()

    def leave(self) -> None:
        """Nobody waits for the answer any more."""
        self._none.is_lost = True
        if self.on_gone is not None:
            on_gone, self.on_gone = self.on_gone, None
            on_gone()
