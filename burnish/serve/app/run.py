"""A server process, from its options to its exit status."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import signal
import ssl
from collections.abc import Callable
from dataclasses import dataclass

import uvloop

from burnish.serve.app.assemble import Parts, assemble
from burnish.serve.app.options import ServeOptions, Tls
from burnish.serve.grpc.transport.server import GrpcServer, tls_context
from burnish.serve.http.metrics import MetricsPage
from burnish.serve.http.wire.limits import Limits
from burnish.serve.http.wire.listener import Listener

log = logging.getLogger("burnish.serve")


@dataclass(frozen=True)
class Addresses:
    """Where a server listens; None: it does not."""

    host: str
    http: int | None
    grpc: int | None
    metrics: int | None


def run(options: ServeOptions, started: Callable[[Addresses, list[str]], None] = lambda where, failed: None) -> int:
    """Serve until SIGTERM or SIGINT; the exit status.

    started: called once everything is loaded, with the ports and with what could not be loaded
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(options, started))


async def serve(options: ServeOptions, started: Callable[[Addresses, list[str]], None]) -> int:
    """The same within a running event loop."""
    loop = asyncio.get_running_loop()
    parts = assemble(options, loop)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):  # outside the main thread
            loop.add_signal_handler(number, stop.set)
    ports = Ports()
    try:
        addresses = await ports.open(options, parts)
        failed = await parts.server.start()
        if failed and options.server.exit_on_error:
            started(addresses, failed)
            return 1
        gc.collect()
        gc.freeze()  # what is loaded stays: later collections need not look at it
        started(addresses, failed)
        await stop.wait()
        log.info("stopping: requests under way may take %g s", options.drain_s)
        parts.server.is_stopping = True
        return 0
    finally:
        await ports.close(options.drain_s)
        await parts.server.stop(options.drain_s)
        parts.workers.shutdown(wait=False, cancel_futures=True)


class Ports:
    """What listens. Metrics may be looked at until everything else is over."""

    def __init__(self) -> None:
        self._http: list[Listener] = []
        self._grpc: GrpcServer | None = None
        self._metrics: list[Listener] = []

    async def open(self, options: ServeOptions, parts: Parts) -> Addresses:
        limits = Limits(body_bytes=options.body_bytes, decompressed_bytes=options.body_bytes)
        http = grpc = metrics = None
        if options.http_port is not None:
            self._http.append(Listener(parts.http.handle, limits))
            http = await self._http[0].open(options.host, options.http_port, _context(options.http_tls))
        if options.grpc_port is not None:
            tls = options.grpc_tls
            authority = str(tls.authority) if tls is not None and tls.authority is not None else None
            context = tls_context(str(tls.certificate), str(tls.key), authority) if tls is not None else None
            self._grpc = GrpcServer(parts.grpc)
            grpc = await self._grpc.listen(options.host, options.grpc_port, context)
        if options.metrics_port is not None:
            self._metrics.append(Listener(MetricsPage(parts.metrics.text).handle, limits))
            metrics = await self._metrics[0].open(options.host, options.metrics_port)
        return Addresses(options.host, http, grpc, metrics)

    async def close(self, patience_s: float) -> None:
        """Take nothing new; requests under way may take so long."""
        ending = [listener.close(patience_s) for listener in self._http]
        await asyncio.gather(*ending, *([self._grpc.stop(patience_s)] if self._grpc is not None else []))
        await asyncio.gather(*(listener.close(0.1) for listener in self._metrics))


def _context(tls: Tls | None) -> ssl.SSLContext | None:
    if tls is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(tls.certificate, tls.key)
    if tls.authority is not None:
        context.load_verify_locations(tls.authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
