"""The parts of a server put together: what each one needs of the others is handed in here and nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from burnish.devices.cpu.processor import core_count
from burnish.serve.app.busy_poll import BusyPoll
from burnish.serve.app.guards import grpc_guard, http_guard
from burnish.serve.app.keys import Keys
from burnish.serve.app.limits import http_limits
from burnish.serve.app.options import ServeOptions
from burnish.serve.app.scheduling import Scheduling
from burnish.serve.backends.loading import Place
from burnish.serve.core.forward_headers import forward_headers
from burnish.serve.core.server import Server
from burnish.serve.core.shared_memory import SharedMemory
from burnish.serve.grpc.service import methods
from burnish.serve.grpc.transport.call import Method
from burnish.serve.http.application import Application
from burnish.serve.observe.dashboard import Dashboard
from burnish.serve.observe.log_settings import LogSettings
from burnish.serve.observe.metrics import Metrics
from burnish.serve.observe.trace_settings import TraceSettings
from burnish.serve.observe.watch_requests import Watch, WatchRequests
from burnish.serve.observe.write_traces import WriteTraces
from burnish.serve.repository.load import VersionLoader
from burnish.serve.repository.repository import Repository
from burnish.serve.repository.room import Room
from burnish.serve.scheduling.clock import LoopClock


@dataclass(frozen=True)
class Parts:
    """What listens, and what is behind it."""

    server: Server
    scheduling: Scheduling
    http: Application
    grpc: dict[str, Method]
    metrics: Metrics
    dashboard: Dashboard
    trace_writer: WriteTraces
    shared: SharedMemory | None
    traces: TraceSettings
    logs: LogSettings
    workers: ThreadPoolExecutor
    rest: Callable[[], None] | None


def assemble(options: ServeOptions, loop: asyncio.AbstractEventLoop) -> Parts:
    """Nothing is loaded and nothing listens yet."""
    threads = options.workers or core_count()
    workers = ThreadPoolExecutor(threads, "burnish-run")
    place = Place(
        loop,
        workers,
        options.build_cache,
        options.trusted_key,
        options.build_bytes,
        submit=lambda request, reply: server.call(request, reply),
    )
    scheduling = Scheduling(
        LoopClock(loop),
        lambda name, number: repository.find(name, number),
        lambda request, reply: server.submit(request, reply),
        threads,
        options.cache_bytes,
        options.resources,
        options.max_queue_size,
        options.is_rate_limited,
    )
    known = options.server
    loader = VersionLoader(place, scheduling, room=Room(options.memory_bytes), may_complete=known.may_complete)
    repository = Repository(known.repositories, loader, known.config_name, known.may_complete)
    server = Server(options.server, repository)
    shared = SharedMemory() if options.shared_memory else None
    traces, logs = TraceSettings(options.traces), LogSettings(options.logs)
    trace_writer = WriteTraces(options.telemetry)

    def install(watch: Watch | None) -> None:
        server.watch = watch

    WatchRequests(traces, logs, trace_writer.write, install)
    metrics = Metrics(server, cache=scheduling.cache, shadows=lambda: scheduling.shadows)
    dashboard = Dashboard(server, metrics.machine, lambda: scheduling.shadows)
    keys = Keys(options.keys) if options.keys is not None else None
    guard, pages = http_guard(keys, options.http_restricted), dashboard.pages()
    limits = http_limits(options)
    seen: dict[str, Any] = {"shared": shared, "traces": traces, "logs": logs}
    to_http, to_grpc = forward_headers(options.http_forward), forward_headers(options.grpc_forward)
    http = Application(server, limits=limits, guard=guard, pages=pages, forward=to_http, **seen)
    grpc = methods(server, guard=grpc_guard(keys, options.grpc_restricted), forward=to_grpc, **seen)
    rest = None
    if options.busy_poll_us and core_count() > 1:
        rest = BusyPoll(loop, options.busy_poll_us, lambda: not scheduling.turns.running).rest
    return Parts(server, scheduling, http, grpc, metrics, dashboard, trace_writer, shared, traces, logs, workers, rest)
