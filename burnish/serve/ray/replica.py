"""A server without sockets in an actor of Ray's: the models are here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from burnish.serve.app.assemble import assemble
from burnish.serve.app.options import ServeOptions
from burnish.serve.http.wire.exchange import Headers
from burnish.serve.ray.exchange import Head, RemoteExchange


class Replica:
    """Ray makes one on a node, within a running event loop, and calls it from every Gate."""

    async def __init__(self, options: ServeOptions) -> None:  # type: ignore[misc]  # Ray Serve awaits it
        self._parts = assemble(options, asyncio.get_running_loop())
        failed = await self._parts.server.start()
        if failed and options.server.exit_on_error:
            raise RuntimeError("\n".join(failed))

    async def answer(
        self, method: bytes, path: bytes, headers: dict[bytes, bytes], body: bytes
    ) -> tuple[int, Headers, bytes]:
        """One HTTP request and its whole answer."""
        exchange = RemoteExchange(method, path, headers, body)
        status, found = await self._ask(exchange)
        pieces = []
        while (piece := await exchange.pieces.get()) is not None:
            pieces.append(piece)
        return status, found, b"".join(pieces)

    async def stream(
        self, method: bytes, path: bytes, headers: dict[bytes, bytes], body: bytes
    ) -> AsyncIterator[Head | bytes]:
        """The same as it comes: first status and headers, then pieces of the body."""
        exchange = RemoteExchange(method, path, headers, body)
        yield await self._ask(exchange)
        try:
            while (piece := await exchange.pieces.get()) is not None:
                yield piece
        except (asyncio.CancelledError, GeneratorExit):
            exchange.leave()
            raise

    async def _ask(self, exchange: RemoteExchange) -> Head:
        self._parts.http.handle(exchange)
        try:
            return await exchange.head
        except asyncio.CancelledError:  # the client went, or its time is over: Ray cancels the call
            exchange.leave()
            raise

    def check_health(self) -> None:
        """Ray asks this every few seconds and replaces a replica that raises."""
        if not self._parts.server.is_live:
            raise RuntimeError("the server has stopped")
