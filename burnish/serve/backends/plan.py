"""A plan in this process: one engine, whose weights are there once, and a context for each instance."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from burnish import plan as plans
from burnish import runtime
from burnish.errors import BurnishError
from burnish.plan.plan import surface
from burnish.serve.backends.loading import Place
from burnish.serve.config.check_model import check_against_model
from burnish.serve.config.complete import TensorInfo, complete_from_model
from burnish.serve.config.options.options import Options
from burnish.serve.datatypes import BYTES, config_name, datatype_of
from burnish.serve.job import Job, now_ns
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.request import Tensor
from burnish.serve.status import Code, ServeError

Array = np.ndarray[Any, Any]
Load = Callable[[], runtime.Engine]

# A run that is expected to be shorter is done on the event loop: handing it to a thread and back takes about as long.
IN_PLACE_NS = 300_000


class PlanLoading:
    """A plan that was read and installed."""

    def __init__(self, load: Load, engine: runtime.Engine, place: Place) -> None:
        self._load, self._engine, self._place = load, engine, place

    @classmethod
    async def begin(cls, file: Path, config: pb.ModelConfig, place: Place) -> PlanLoading:
        device, threads = _device(config), Options.of(config).threads
        load = functools.partial(_load, file, threads, device, place.trusted_key)
        return cls(load, await _loaded(load), place)

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

    async def open(self, config: pb.ModelConfig) -> PlanBackend:
        try:
            return await asyncio.to_thread(PlanBackend, self._load, self._engine, config, self._place)
        except BurnishError as error:
            raise _of_load(error) from None

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

    def _compute(self, jobs: Sequence[Job]) -> dict[str, Array] | ServeError:
        """The outputs of the whole batch. Also sets when the inputs and the outputs were ready."""
        try:
            inputs = _gathered(jobs)
            begin = now_ns()
            outputs = self.context(inputs)
            end = now_ns()
        except BurnishError as error:
            return ServeError(Code.INVALID_ARG if error.code.startswith("E50") else Code.INTERNAL, str(error))
        except Exception as error:
            return ServeError(Code.INTERNAL, f"the model failed: {type(error).__name__}: {error}")
        for job in jobs:
            job.inputs_ready_ns, job.outputs_ready_ns = begin, end
        return outputs

    def _finish(
        self, jobs: Sequence[Job], rows: int, found: dict[str, Array] | ServeError, done: Callable[[], None]
    ) -> None:
        if isinstance(found, ServeError):
            for job in jobs:
                job.fail(found)
        else:
            took = jobs[0].outputs_ready_ns - jobs[0].inputs_ready_ns
            usual = self._usual_ns.get(rows, took)
            self._usual_ns[rows] = usual + (min(took, 2 * usual) - usual) / 4  # one that was interrupted counts little
            self._answer(jobs, found)
        done()

    def _answer(self, jobs: Sequence[Job], found: dict[str, Array]) -> None:
        tensors = [_tensor(name, array) for name, array in found.items()]
        first = 0
        for job in jobs:
            end = first + job.rows
            own = tensors if len(jobs) == 1 else [Tensor(t.name, t.datatype, t.data[first:end]) for t in tensors]
            job.answer(own)
            first = end


def _gathered(jobs: Sequence[Job]) -> dict[str, Array]:
    """Each input of the batch as one array: the requests' rows one after the other."""
    if len(jobs) == 1:
        return {name: _array(tensor) for name, tensor in jobs[0].request.inputs.items()}
    names = jobs[0].request.inputs
    return {name: np.concatenate([_array(job.request.inputs[name]) for job in jobs]) for name in names}


def _array(tensor: Tensor) -> Array:
    if tensor.datatype != BYTES:
        return tensor.data
    texts = [item.decode() if isinstance(item, bytes) else item for item in tensor.data.ravel()]
    return np.array(texts, dtype=np.object_).reshape(tensor.data.shape)


def _tensor(name: str, value: Any) -> Tensor:
    """An output of a plan for the protocol: texts as bytes, a list of dicts (a ZipMap's) as the dicts' values."""
    if isinstance(value, list):
        value = np.array([list(row.values()) for row in value], np.float32)
    array = np.asarray(value)
    if array.dtype.kind not in "OSU":
        return Tensor(name, datatype_of(array.dtype), array)
    flat = [item.encode() if isinstance(item, str) else bytes(item) for item in array.ravel()]
    return Tensor(name, BYTES, np.array(flat, dtype=np.object_).reshape(array.shape))


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


def _load(file: Path, threads: int | None, device: str | None, trusted_key: object) -> runtime.Engine:
    if not file.is_file():
        raise FileNotFoundError(file)
    return runtime.load(plans.read(file, trusted_key=trusted_key), threads, device=device)


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
