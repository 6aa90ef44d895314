"""One version of a model, ready to answer: its configuration, its scheduler, and what is under way."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from burnish.serve.backends import Backend, Parkable
from burnish.serve.config.backends import PYTHON
from burnish.serve.config.options.options import Options
from burnish.serve.config.show import config_json, metadata_json
from burnish.serve.job import Failure, Job, Reply, cancelled, now_ns
from burnish.serve.observe.statistics import ModelStatistics
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.repository.prepare import Rules, prepare
from burnish.serve.repository.room import Room
from burnish.serve.request import Request
from burnish.serve.scheduling import Scheduler
from burnish.serve.scheduling.traffic.router import Router
from burnish.serve.status import Code, ServeError, unexpected

log = logging.getLogger("burnish.serve")


@dataclass(frozen=True, slots=True)
class Scheduled:
    """router: of a model whose requests are shared out or copied. close: gives back what the scheduler had shared."""

    scheduler: Scheduler
    router: Router | None = None
    close: Callable[[], None] = lambda: None


class ModelVersion:
    """Ready to answer. Made by `load_version`, given back by `close`.

    labels  names of classes for outputs that have a label file
    room    the memory that it shares with others
    """

    def __init__(
        self,
        number: int,
        config: pb.ModelConfig,
        backend: Backend | None,
        scheduled: Scheduled,
        statistics: ModelStatistics,
        labels: Mapping[str, Sequence[str]],
        room: Room | None = None,
    ) -> None:
        self.name, self.number, self.config = str(config.name), number, config
        self.backend, self.statistics = backend, statistics
        self.scheduler, self.router = scheduled.scheduler, scheduled.router
        self.rules = Rules.of(config)
        self.is_decoupled = bool(config.model_transaction_policy.decoupled)
        self.max_batch_size = int(config.max_batch_size)
        self.in_flight = 0
        self.last_used_ns = now_ns()
        self.is_kept = Options.of(config).is_kept or not isinstance(backend, Parkable)
        self.is_parked = self._is_closed = False
        self._room, self._moving = room or Room(), asyncio.Lock()
        self._waiting: dict[Job, None] = {}  # for a version that is not in memory, in the order in which they came
        self._returning: asyncio.Task[None] | None = None
        self._count_memory()
        self._room.enter(self)
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
        if self.is_parked:
            self._wait(job)
            return job
        try:
            self.scheduler.submit(job)
        except ServeError:
            self._ended(job)
            raise
        return job

    def reject(self, request: Request) -> ServeError:
        """Count a request that the server has no room for; what it is answered with."""
        self.statistics.refused(Job(request, self.name, self.number, 1, lambda _: None), Failure.REJECTED)
        return ServeError(Code.UNAVAILABLE, "too many requests are under way").of_request(request.id)

    def check(self, request: Request) -> None:
        """Raise what is wrong with a request, as `submit` would, without running it."""
        prepare(request, self.rules)

    def config_json(self) -> dict[str, Any]:
        return config_json(self.config)

    def metadata(self, versions: Sequence[int]) -> dict[str, Any]:
        return metadata_json(self.config, versions)

    def labels(self, output: str) -> Sequence[str] | None:
        return self._labels.get(output)

    # ---- out of memory and back ---------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Whether it may be parked."""
        return not (self.in_flight or self.is_parked or self.is_kept or self._is_closed)

    async def park(self) -> None:
        """Give the memory back and stay ready: the next request brings it back. Only for one that is idle."""
        assert self.is_idle
        assert isinstance(self.backend, Parkable)
        self.is_parked = True
        async with self._moving:
            await self.backend.park()
            self._count_memory()

    def _wait(self, job: Job) -> None:
        self._waiting[job] = None
        job.on_cancel = self._give_up
        if self._returning is None:
            self._returning = asyncio.get_running_loop().create_task(self._return())

    def _give_up(self, job: Job) -> None:
        if self._waiting.pop(job, job) is None:
            self._refuse(job, cancelled(), Failure.CANCELED)

    def _refuse(self, job: Job, error: ServeError, reason: Failure) -> None:
        job.fail(error, failure=reason)
        self.statistics.refused(job, reason)

    async def _return(self) -> None:
        """Back into memory, then on with the requests that wait; if that fails, so do they."""
        try:
            async with self._moving:
                await self._unpark()
        except Exception as found:
            error = found if isinstance(found, ServeError) else unexpected(found)
            log.warning("'%s' version %d could not be loaded again: %s", self.name, self.number, error.message)
            waiting, self._waiting = self._waiting, {}
            for job in waiting:
                self._refuse(job, error, Failure.OTHER)
        finally:
            self._returning = None
        waiting, self._waiting = self._waiting, {}
        for job in waiting:
            job.on_cancel = None
            try:
                self.scheduler.submit(job)
            except ServeError as error:
                job.fail(error, failure=Failure.REJECTED)

    async def _unpark(self) -> None:
        assert isinstance(self.backend, Parkable)
        needed = self.backend.needed_bytes
        await self._room.reserve(self.name, needed)
        with self._room.holding(needed):
            if not self._is_closed:
                await self.backend.unpark()
                self._count_memory()
                self.is_parked = False

    def _count_memory(self) -> None:
        """Weights and buffers, exact, or what processes have to themselves; 0 while it is not in memory."""
        self.memory_bytes = self.backend.memory_bytes if self.backend is not None else 0
        # Statistics tell, as Triton's do, only what is of the model itself: not a Python model's processes.
        self.statistics.memory_bytes = 0 if self.config.backend == PYTHON else self.memory_bytes

    async def close(self, patience_s: float = 30.0) -> None:
        """Wait for what is under way, then give the memory back. After `patience_s` the queue is failed first."""
        try:
            if self.in_flight:
                self._idle.clear()
                await asyncio.wait_for(self._idle.wait(), patience_s)
        except TimeoutError:
            pass
        for job in list(self._waiting):
            del self._waiting[job]
            self._refuse(job, ServeError(Code.UNAVAILABLE, f"model '{self.name}' is being unloaded"), Failure.OTHER)
        self.scheduler.close()
        if self.in_flight:
            await self._idle.wait()
        self._is_closed = True
        self._give_back()
        async with self._moving:
            if self.backend is not None:
                await self.backend.close()
            self._count_memory()
        self._room.leave(self)

    def _ended(self, _: Job) -> None:
        self.in_flight -= 1
        if not self.in_flight:
            self._idle.set()
            self._room.changed()
