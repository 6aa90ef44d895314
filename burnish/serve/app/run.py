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
    listeners: list[Listener] = []
    try:
        addresses = await _listen(options, parts, listeners)
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
        await asyncio.gather(*(listener.close(options.drain_s) for listener in listeners))
        await parts.server.stop(options.drain_s)
        parts.workers.shutdown(wait=False, cancel_futures=True)


async def _listen(options: ServeOptions, parts: Parts, listeners: list[Listener]) -> Addresses:
    limits = Limits(body_bytes=options.body_bytes, decompressed_bytes=options.body_bytes)
    http = metrics = grpc = None
    if options.http_port is not None:
        listeners.append(Listener(parts.http.handle, limits))
        http = await listeners[-1].open(options.host, options.http_port, _context(options.http_tls))
    if options.metrics_port is not None:
        listeners.append(Listener(MetricsPage(lambda: b"").handle, limits))
        metrics = await listeners[-1].open(options.host, options.metrics_port)
    return Addresses(options.host, http, grpc, metrics)


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
