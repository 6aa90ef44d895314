"""Requests that a model gets before its first client's, on every instance: the samples of `model_warmup`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from burnish.serve.datatypes import BYTES, NUMPY, protocol_name
from burnish.serve.job import Job
from burnish.serve.proto.model_config_pb2 import DataType, ModelConfig, ModelWarmup
from burnish.serve.request import Request, Response, Tensor
from burnish.serve.request import Sequence as SequenceOfRequests
from burnish.serve.scheduling import Instance
from burnish.serve.scheduling.raw_tensors import Array, decode, zeros
from burnish.serve.scheduling.sequences.control_inputs import control_inputs
from burnish.serve.scheduling.sequences.implicit_state import state_rule
from burnish.serve.status import ServeError

ReadFile = Callable[[str], bytes]


@dataclass(frozen=True, slots=True)
class Sample:
    name: str
    rows: int
    count: int
    inputs: tuple[Tensor, ...]


def warmup_samples(config: ModelConfig, read_file: ReadFile) -> list[Sample]:
    """read_file: a file of the model's folder. raises: INVALID_ARG if a file has another length than its input"""
    found = []
    for entry in config.model_warmup:
        rows = max(1, entry.batch_size)
        batch = (rows,) if config.max_batch_size else ()
        inputs = tuple(_input(n, i, batch, read_file) for n, i in sorted(entry.inputs.items()))
        found.append(Sample(entry.name, rows, max(1, entry.count), inputs))
    return found


def _input(name: str, given: ModelWarmup.Input, batch: tuple[int, ...], read_file: ReadFile) -> Tensor:
    datatype = protocol_name(DataType.Name(given.data_type))
    shape = (*batch, *given.dims)
    match given.WhichOneof("input_data_type"):
        case "input_data_file":
            data = decode(read_file(f"warmup/{given.input_data_file}"), datatype, shape, f"warm-up input '{name}'")
        case "random_data":
            data = _random(datatype, shape)
        case _:
            data = zeros(datatype, shape)
    return Tensor(name, datatype, data)


def _random(datatype: str, shape: tuple[int, ...]) -> Array:
    """The same at every start."""
    generator = np.random.default_rng(0)
    if datatype == BYTES:
        data = np.empty(shape, np.object_)
        data.reshape(-1)[:] = [generator.bytes(8).hex().encode() for _ in range(data.size)]
        return data
    dtype = NUMPY[datatype]
    if dtype.kind in "iu":
        return generator.integers(0, 100, shape).astype(dtype)
    return generator.random(shape).astype(dtype) if dtype.kind != "b" else generator.random(shape) < 0.5


async def warm_up(config: ModelConfig, version: int, instances: Sequence[Instance], read_file: ReadFile) -> None:
    """Run every sample on every instance, as often as it asks. The instances must be idle.

    raises: ServeError, the first error that a sample is answered with
    """
    samples = warmup_samples(config, read_file)
    if samples:
        await asyncio.gather(*(_warm_one(config, version, instance, samples, read_file) for instance in instances))


async def _warm_one(
    config: ModelConfig, version: int, instance: Instance, samples: Sequence[Sample], read_file: ReadFile
) -> None:
    for sample in samples:
        for _ in range(sample.count):
            answers: list[Response] = []
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            job = _job(config, version, sample, answers.append, read_file)
            instance.run([job], partial(done.set_result, None))
            await done
            for answer in answers:
                if answer.error is not None:
                    raise ServeError(answer.error.code, f"warm-up sample '{sample.name}': {answer.error.message}")


def _job(
    config: ModelConfig, version: int, sample: Sample, reply: Callable[[Response], None], read_file: ReadFile
) -> Job:
    """For a sequence model it is a whole sequence."""
    inputs = {t.name: t for t in sample.inputs}
    request = Request(config.name, inputs, version, id=sample.name)
    job = Job(request, config.name, version, sample.rows, reply)
    if config.HasField("sequence_batching"):
        request.sequence = SequenceOfRequests(1, is_start=True, is_end=True)
        inputs.update(control_inputs(config).of(request.sequence))
        states = state_rule(config, lambda name: read_file(f"initial_state/{name}"))
        if states is not None:
            states.put_in(job, {})
    return job
