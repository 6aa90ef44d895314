"""The parts of a server put together: what each one needs of the others is handed in here and nowhere else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from burnish.serve.app.options import ServeOptions
from burnish.serve.backends.loading import Place
from burnish.serve.core.server import Server
from burnish.serve.core.shared_memory import SharedMemory
from burnish.serve.http.application import Application
from burnish.serve.http.wire.limits import Limits
from burnish.serve.observe.log_settings import LogSettings
from burnish.serve.observe.statistics import ModelStatistics
from burnish.serve.observe.trace_settings import TraceSettings
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.repository.load import VersionLoader
from burnish.serve.repository.repository import Repository
from burnish.serve.scheduling import Instance, Scheduler
from burnish.serve.scheduling.clock import LoopClock
from burnish.serve.scheduling.make import make_scheduler


@dataclass(frozen=True)
class Parts:
    """What listens, and what is behind it."""

    server: Server
    http: Application
    shared: SharedMemory | None
    traces: TraceSettings
    logs: LogSettings
    workers: ThreadPoolExecutor


def assemble(options: ServeOptions, loop: asyncio.AbstractEventLoop) -> Parts:
    """Nothing is loaded and nothing listens yet."""
    workers = ThreadPoolExecutor(options.workers or os.cpu_count() or 1, "burnish-run")
    place = Place(loop, workers, options.build_cache, options.trusted_key, options.build_bytes)
    clock = LoopClock(loop)

    def make(
        config: pb.ModelConfig, number: int, instances: Sequence[Instance], statistics: ModelStatistics
    ) -> Scheduler:
        return make_scheduler(config, instances, clock, observer=statistics)

    repository = Repository(options.server.repositories, VersionLoader(place, make))
    server = Server(options.server, repository)
    shared = SharedMemory() if options.shared_memory else None
    traces, logs = TraceSettings(), LogSettings()
    limits = Limits(body_bytes=options.body_bytes, decompressed_bytes=options.body_bytes)
    http = Application(server, limits=limits, shared=shared, traces=traces, logs=logs)
    return Parts(server, http, shared, traces, logs, workers)
