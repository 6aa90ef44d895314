"""One version of a model in memory: its configuration, its scheduler, and what is under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from burnish.serve.backends import Backend
from burnish.serve.config.show import config_json, metadata_json
from burnish.serve.job import Job, Reply
from burnish.serve.observe.statistics import ModelStatistics
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.repository.prepare import Rules, prepare
from burnish.serve.request import Request
from burnish.serve.scheduling import Scheduler
from burnish.serve.scheduling.traffic.router import Router
from burnish.serve.status import ServeError


@dataclass(frozen=True, slots=True)
class Scheduled:
    """router: of a model whose requests are shared out or copied. close: gives back what the scheduler had shared."""

    scheduler: Scheduler
    router: Router | None = None
    close: Callable[[], None] = lambda: None


class ModelVersion:
    """Ready to answer. Made by `load_version`, given back by `close`.

    labels  names of classes for outputs that have a label file
    """

    def __init__(
        self,
        number: int,
        config: pb.ModelConfig,
        backend: Backend | None,
        scheduled: Scheduled,
        statistics: ModelStatistics,
        labels: Mapping[str, Sequence[str]],
    ) -> None:
        self.name, self.number, self.config = str(config.name), number, config
        self.backend, self.statistics = backend, statistics
        self.scheduler, self.router = scheduled.scheduler, scheduled.router
        self.rules = Rules.of(config)
        self.is_decoupled = bool(config.model_transaction_policy.decoupled)
        self.max_batch_size = int(config.max_batch_size)
        self.in_flight = 0
        self.last_used_ns = 0
        self._labels, self._give_back = labels, scheduled.close
        self._reshaped = {o.name: tuple(o.dims) for o in config.output if o.HasField("reshape")}
        self._idle = asyncio.Event()
        self._idle.set()

    def submit(self, request: Request, reply: Reply) -> Job:
        """Check the request and queue it; `reply` gets its answers. ServeError if it is refused at once."""
        rows = prepare(request, self.rules)
        job = Job(request, self.name, self.number, rows, reply)
        if self._reshaped:
            batch = (rows,) if self.max_batch_size else ()
            job.outside = {name: (*batch, *dims) for name, dims in self._reshaped.items()}
        job.on_end.append(self._ended)
        self.in_flight += 1
        self.last_used_ns = job.arrived_ns
        try:
            self.scheduler.submit(job)
        except ServeError:
            self._ended(job)
            raise
        return job

    def check(self, request: Request) -> None:
        """Raise what is wrong with a request, as `submit` would, without running it."""
        prepare(request, self.rules)

    def config_json(self) -> dict[str, Any]:
        return config_json(self.config)

    def metadata(self, versions: Sequence[int]) -> dict[str, Any]:
        return metadata_json(self.config, versions)

    def labels(self, output: str) -> Sequence[str] | None:
        return self._labels.get(output)

    @property
    def memory_bytes(self) -> int:
        return self.backend.memory_bytes if self.backend is not None else 0

    async def close(self, patience_s: float = 30.0) -> None:
        """Wait for what is under way, then give the memory back. After `patience_s` the queue is failed first."""
        try:
            if self.in_flight:
                self._idle.clear()
                await asyncio.wait_for(self._idle.wait(), patience_s)
        except TimeoutError:
            pass
        self.scheduler.close()
        if self.in_flight:
            await self._idle.wait()
        self._give_back()
        if self.backend is not None:
            await self.backend.close()

    def _ended(self, _: Job) -> None:
        self.in_flight -= 1
        if not self.in_flight:
            self._idle.set()
