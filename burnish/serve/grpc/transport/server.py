"""The listening side: sockets, TLS, and the end of a server's life."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from typing import Final

from burnish.serve.grpc.transport.call import Method
from burnish.serve.grpc.transport.connection import Connection
from burnish.serve.grpc.transport.limits import Limits
from burnish.serve.grpc.transport.status import GrpcError, Status

_FAREWELL_S: Final = 1.0  # how long a client may take to answer the first GOAWAY


class GrpcServer:
    """Serves methods by path ("/package.Service/Method") on the running loop.

    compression_level   gzip for answers to clients that accept it: 1 to 9, or 0 for none
    rest                called when all that a connection sent has been answered in place
    buffered            bytes of messages that are not complete or not taken yet
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        limits: Limits | None = None,
        compression_level: int = 0,
        rest: Callable[[], None] | None = None,
    ) -> None:
        self.methods, self.rest = methods, rest
        self.limits, self.compression_level = limits or Limits(), compression_level
        self.buffered = 0
        self._connections: set[Connection] = set()
        self._listeners: list[asyncio.Server] = []
        self._timer: asyncio.TimerHandle | None = None
        self._is_empty = asyncio.Event()
        self._is_empty.set()

    async def listen(self, host: str, port: int, tls: ssl.SSLContext | None = None, reuse_port: bool = False) -> int:
        """Accept connections from now on; the port, which the system chooses for 0."""
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(
            lambda: Connection(self, loop), host, port, ssl=tls, reuse_port=reuse_port or None, backlog=1024
        )
        self._listeners.append(listener)
        if self._timer is None:
            self._timer = loop.call_later(self.limits.check_s, self._check_time, loop)
        return int(listener.sockets[0].getsockname()[1])

    @property
    def active_calls(self) -> int:
        return sum(c.active_calls for c in self._connections)

    async def stop(self, grace_s: float = 0.0) -> None:
        """Take no new connections and calls, let those under way finish, end what is left after so many seconds."""
        for listener in self._listeners:
            listener.close()
        for connection in list(self._connections):
            connection.drain()
        farewell_s = min(_FAREWELL_S, grace_s)
        if not await self._emptied(farewell_s):
            for connection in list(self._connections):
                connection.drained()
            await self._emptied(grace_s - farewell_s)
        for connection in list(self._connections):
            connection.stop(GrpcError(Status.UNAVAILABLE, "the server is shutting down"))
        await self._emptied(_FAREWELL_S)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def is_full(self) -> bool:
        return len(self._connections) >= self.limits.connections

    def opened(self, connection: Connection) -> None:
        self._connections.add(connection)
        self._is_empty.clear()

    def closed(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._is_empty.set()

    async def _emptied(self, longest_s: float) -> bool:
        try:
            await asyncio.wait_for(self._is_empty.wait(), longest_s)
        except TimeoutError:
            return False
        return True

    def _check_time(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for connection in list(self._connections):
            connection.check_time(now)
        self._timer = loop.call_later(self.limits.check_s, self._check_time, loop)
