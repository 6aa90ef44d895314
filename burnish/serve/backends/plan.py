"""A plan in this process: one engine, whose weights are there once, and a context for each instance."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from burnish import runtime
from burnish.errors import BurnishError
from burnish.plan.plan import surface
from burnish.plan.signature import public_key_bytes
from burnish.serve.backends import Backend
from burnish.serve.backends.isolated import IsolatedBackend
from burnish.serve.backends.loading import Place
from burnish.serve.backends.plan_batch import compute, load_engine
from burnish.serve.config.check_model import check_against_model
from burnish.serve.config.complete import TensorInfo, complete_from_model
from burnish.serve.config.options.options import Options
from burnish.serve.datatypes import config_name, datatype_of
from burnish.serve.job import Job
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.request import Tensor
from burnish.serve.status import Code, ServeError

Load = Callable[[], runtime.Engine]

# A run that is expected to be shorter is done on the event loop: handing it to a thread and back takes about as long.
IN_PLACE_NS = 300_000


class PlanLoading:
    """A plan that was read and installed."""

    def __init__(self, file: Path, config: pb.ModelConfig, engine: runtime.Engine, place: Place) -> None:
        self._file, self._engine, self._place = file, engine, place
        self._load = _loader(file, config, place)

    @classmethod
    async def begin(cls, file: Path, config: pb.ModelConfig, place: Place) -> PlanLoading:
        return cls(file, config, await _loaded(_loader(file, config, place)), place)

    async def complete(self, config: pb.ModelConfig) -> None:
        """Inputs, outputs and the batch dimension, as the plan has them."""
        engine = self._engine
        most = engine.profile_shapes("max")
        rows = [most[i.name][0] for i in engine.inputs if most[i.name] and i.shape and not isinstance(i.shape[0], int)]
        inputs, outputs = _as_batched(config, list(map(_info, engine.inputs)), list(map(_info, engine.outputs)))
        complete_from_model(config, inputs, outputs, most_rows=min(rows) if rows else None)
        check_against_model(config, inputs, outputs)

    def needed_bytes(self, config: pb.ModelConfig) -> int:
        return _held_bytes(self._engine, len(_names(config)))

    async def open(self, config: pb.ModelConfig) -> Backend:
        if Options.of(config).isolation == "process":
            backend = await IsolatedBackend.open(_names(config), config, self._start(config), self.needed_bytes(config))
            await self.abort()
            return backend
        try:
            return await asyncio.to_thread(PlanBackend, self._load, self._engine, config, self._place)
        except BurnishError as error:
            raise _of_load(error) from None

    def _start(self, config: pb.ModelConfig) -> dict[str, Any]:
        """What a process is told to load: this plan and no other."""
        key = self._place.trusted_key
        return {
            "file": str(self._file),
            "threads": Options.of(config).threads,
            "device": _device(config),
            "trusted_key": None if key is None else public_key_bytes(key).hex(),
            "surface": surface(self._engine.manifest),
        }

    async def abort(self) -> None:
        await asyncio.to_thread(self._engine.close)


class PlanBackend:
    """The instances that a configuration's groups ask for, each with a context of its own.

    load: gives the engine again, after it was parked
    """

    def __init__(self, load: Load, engine: runtime.Engine, config: pb.ModelConfig, place: Place) -> None:
        self._load, self._engine, self._surface = load, engine, surface(engine.manifest)
        self.instances = [PlanInstance(name, engine.create_context(), place) for name in _names(config)]
        self.needed_bytes = _held_bytes(engine, len(self.instances))
        self._is_parked = False

    @property
    def memory_bytes(self) -> int:
        return 0 if self._is_parked else self.needed_bytes

    async def park(self) -> None:
        await asyncio.to_thread(self._close)
        self._is_parked = True

    async def unpark(self) -> None:
        engine = await _loaded(self._load)
        try:
            if surface(engine.manifest) != self._surface:
                raise ServeError(Code.INTERNAL, "the plan was replaced by one with other tensors: load it anew")
            for instance in self.instances:
                instance.context = engine.create_context()
        except BaseException:
            await asyncio.to_thread(engine.close)
            raise
        self._engine, self.needed_bytes, self._is_parked = engine, _held_bytes(engine, len(self.instances)), False

    async def close(self) -> None:
        if not self._is_parked:
            await asyncio.to_thread(self._close)

    def _close(self) -> None:
        for instance in self.instances:
            instance.context.close()
        self._engine.close()


class PlanInstance:
    """Runs a batch: on the event loop if such batches have been short so far, else in a worker thread."""

    def __init__(self, name: str, context: runtime.Context, place: Place) -> None:
        self.name, self.context, self._place = name, context, place
        self._usual_ns: dict[int, float] = {}  # by rows: how long such runs took lately

    @property
    def has_worker(self) -> bool:
        """Whether the next run may need a worker thread. Runs that have all been short are done on the event loop."""
        return not self._usual_ns or max(self._usual_ns.values()) >= IN_PLACE_NS

    def run(self, jobs: Sequence[Job], done: Callable[[], None]) -> None:
        rows = sum(job.rows for job in jobs)
        if self._usual_ns.get(rows, IN_PLACE_NS) < IN_PLACE_NS:
            self._finish(jobs, rows, self._compute(jobs), done)
            return
        loop = self._place.loop

        def work() -> None:
            found = self._compute(jobs)
            loop.call_soon_threadsafe(self._finish, jobs, rows, found, done)

        self._place.workers.submit(work)

    def _compute(self, jobs: Sequence[Job]) -> list[list[Tensor]] | ServeError:
        """The outputs of each job. Also sets when the inputs and the outputs of the batch were ready."""
        try:
            found, begin, end = compute(self.context, [j.request.inputs for j in jobs], [j.rows for j in jobs])
        except ServeError as error:
            return error
        for job in jobs:
            job.inputs_ready_ns, job.outputs_ready_ns = begin, end
        return found

    def _finish(
        self, jobs: Sequence[Job], rows: int, found: list[list[Tensor]] | ServeError, done: Callable[[], None]
    ) -> None:
        if isinstance(found, ServeError):
            for job in jobs:
                job.fail(found)
        else:
            took = jobs[0].outputs_ready_ns - jobs[0].inputs_ready_ns
            usual = self._usual_ns.get(rows, took)
            self._usual_ns[rows] = usual + (min(took, 2 * usual) - usual) / 4  # one that was interrupted counts little
            for job, outputs in zip(jobs, found):
                job.answer(outputs)
        done()


def _loader(file: Path, config: pb.ModelConfig, place: Place) -> Load:
    return functools.partial(load_engine, file, Options.of(config).threads, _device(config), place.trusted_key)


def _names(config: pb.ModelConfig) -> list[str]:
    """Of the instances."""
    counts = [(g.name, max(g.count, 1)) for g in config.instance_group] or [(config.name, 1)]
    return [f"{name}_{n}" for name, count in counts for n in range(count)]


def _held_bytes(engine: runtime.Engine, instances: int) -> int:
    """Weights and code once, and the intermediate results of each instance."""
    weights = sum(len(blob) for blob in engine.plan.blobs.values())
    return weights + instances * engine.variant.arena_bytes


async def _loaded(load: Load) -> runtime.Engine:
    """ServeError with what is wrong with the plan, or that there is none."""
    try:
        return await asyncio.to_thread(load)
    except BurnishError as error:
        raise _of_load(error) from None
    except FileNotFoundError as error:
        raise ServeError(Code.NOT_FOUND, f"the version has no file '{Path(str(error.args[0])).name}'") from None


def _device(config: pb.ModelConfig) -> str | None:
    """The device that the first instance group names; None for the plan's best one."""
    for group in config.instance_group:
        if group.kind == pb.ModelInstanceGroup.KIND_GPU:
            return f"cuda:{group.gpus[0]}" if group.gpus else "cuda"
        if group.kind == pb.ModelInstanceGroup.KIND_CPU:
            return "cpu"
    return None


def _info(tensor: Any) -> TensorInfo:
    dims = tuple(n if isinstance(n, int) else -1 for n in tensor.shape)
    return TensorInfo(tensor.name, config_name(datatype_of(tensor.dtype)), dims, getattr(tensor, "has_default", False))


def _as_batched(
    config: pb.ModelConfig, inputs: list[TensorInfo], outputs: list[TensorInfo]
) -> tuple[list[TensorInfo], list[TensorInfo]]:
    """A plan for one number of rows can be batched if every batch has that many: it is 1, or batches are filled up."""
    sizes = {t.dims[0] if t.dims else 0 for t in (*inputs, *outputs)}
    always = set(Options.of(config).batch_sizes) or {config.max_batch_size}
    if len(sizes) != 1 or sizes != always or config.max_batch_size not in sizes:
        return inputs, outputs
    return [_open(t) for t in inputs], [_open(t) for t in outputs]


def _open(tensor: TensorInfo) -> TensorInfo:
    return dataclasses.replace(tensor, dims=(-1, *tensor.dims[1:]))


def _of_load(error: BurnishError) -> ServeError:
    return ServeError(Code.INTERNAL, str(error))
