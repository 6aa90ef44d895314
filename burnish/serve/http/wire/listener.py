"""A port: accepts connections, hands their requests to a handler, ends them when they take too long, drains."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable

from burnish.serve.http.wire.connection import Connection
from burnish.serve.http.wire.exchange import JSON, Exchange
from burnish.serve.http.wire.limits import Limits

_LOG = logging.getLogger(__name__)
_TICK_S = 0.5
_BACKLOG = 1024

Handler = Callable[[Exchange], None]


class Listener:
    """Lives on the event loop's thread.

    handle    called with every request; it answers it, at once or later. What it raises becomes a 500.
    rest      called when all that a connection sent has been answered in place
    """

    def __init__(self, handle: Handler, limits: Limits | None = None, rest: Callable[[], None] | None = None) -> None:
        self.handle, self.limits, self.rest = handle, limits or Limits(), rest
        self.is_draining = False
        self.held_bytes = 0  # of requests' bodies
        self._connections: set[Connection] = set()
        self._servers: list[asyncio.Server] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._all_gone: asyncio.Event | None = None

    async def open(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None = None,
        *,
        reuse_port: bool = False,
        ready: socket.socket | None = None,
    ) -> int:
        """Listen; the result is the port, which the system chooses for 0. ready: a socket that listens already."""
        self._loop = loop = asyncio.get_running_loop()
        self._all_gone = asyncio.Event()

        def make() -> Connection:
            return Connection(self)

        if ready is not None:
            server = await loop.create_server(make, sock=ready, ssl=tls, backlog=_BACKLOG)
        else:
            server = await loop.create_server(
                make, host, port, ssl=tls, backlog=_BACKLOG, reuse_port=reuse_port or None
            )
        self._servers.append(server)
        self._tick()
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    async def close(self, timeout_s: float = 30.0) -> int:
        """Accept no more, let requests under way end, then end all connections. The result counts those cut off."""
        self.is_draining = True
        for server in self._servers:
            server.close()
        for connection in list(self._connections):
            connection.shut()
        if self._connections and self._all_gone is not None:
            try:
                await asyncio.wait_for(self._all_gone.wait(), timeout_s)
            except TimeoutError:
                _LOG.warning("%d connections cut off", len(self._connections))
        left = list(self._connections)
        for connection in left:
            connection.abort()
        if self._ticker is not None:
            self._ticker.cancel()
        return len(left)

    now = staticmethod(time.monotonic)

    def add(self, connection: Connection) -> bool:
        """False if there are too many: it is to be refused."""
        self._connections.add(connection)
        return len(self._connections) <= self.limits.connections

    def remove(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self.is_draining and not self._connections and self._all_gone is not None:
            self._all_gone.set()

    def report(self, exchange: Exchange) -> None:
        """The handler raised: the client gets a 500, or the end of an answer that has begun."""
        _LOG.exception("%s %s", exchange.method.decode("latin-1"), exchange.path.decode("latin-1"))
        if exchange.is_answered:
            exchange.abort()
        else:
            exchange.fail(500, "internal error; the server's log has more", JSON)

    def _tick(self) -> None:
        assert self._loop is not None
        now = self.now()
        for connection in [c for c in self._connections if c.deadline <= now]:
            connection.expire()
        if self._ticker is not None:
            self._ticker.cancel()
        self._ticker = self._loop.call_later(_TICK_S, self._tick)
