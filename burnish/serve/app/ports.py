"""The ports of a server: HTTP, gRPC and metrics."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from burnish.errors import EnvironmentProblem
from burnish.serve.app.assemble import Parts
from burnish.serve.app.limits import grpc_limits, http_limits
from burnish.serve.app.options import ServeOptions
from burnish.serve.app.started import Started
from burnish.serve.app.tls import tls_context
from burnish.serve.grpc.transport.server import GrpcServer
from burnish.serve.http.metrics import MetricsPage
from burnish.serve.http.wire.listener import Listener


class Ports:
    """What listens. Metrics may be looked at until everything else is over."""

    def __init__(self) -> None:
        self._http: list[Listener] = []
        self._grpc: GrpcServer | None = None
        self._metrics: list[Listener] = []

    async def open(self, options: ServeOptions, parts: Parts) -> Started:
        """E645 for files of TLS, E850 for a port that the system does not give."""
        limits = http_limits(options)
        http = grpc = metrics = None
        if (number := options.http_port) is not None:
            host, tls = options.host, tls_context(options.http_tls)
            self._http.append(Listener(parts.http.handle, limits, parts.rest))
            http = await _opened(
                self._http[0].open(host, number, tls, reuse_port=options.reuse_http_port), host, number
            )
        if (number := options.grpc_port) is not None:
            host, tls = options.grpc_host or options.host, tls_context(options.grpc_tls, ("h2",))
            self._grpc = GrpcServer(parts.grpc, grpc_limits(options), options.grpc_compression, parts.rest)
            grpc = await _opened(self._grpc.listen(host, number, tls, options.reuse_grpc_port), host, number)
        if (number := options.metrics_port) is not None:
            host = options.metrics_host or options.host
            self._metrics.append(Listener(MetricsPage(parts.metrics.text).handle, limits))
            metrics = await _opened(self._metrics[0].open(host, number), host, number)
        return Started(
            options.host, http, options.grpc_host or options.host, grpc, options.metrics_host or options.host, metrics
        )

    async def close(self, patience_s: float) -> None:
        """Take nothing new; requests under way may take so long."""
        ending = [listener.close(patience_s) for listener in self._http]
        await asyncio.gather(*ending, *([self._grpc.stop(patience_s)] if self._grpc is not None else []))
        await asyncio.gather(*(listener.close(0.1) for listener in self._metrics))


async def _opened(port: Awaitable[int], host: str, number: int) -> int:
    try:
        return await port
    except OSError as error:
        raise EnvironmentProblem(
            "E850",
            f"port {number} of {host} cannot be opened",
            why=error.strerror or str(error),
            hint="choose another port, or 0 for any that is free",
        ) from None
