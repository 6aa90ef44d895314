"""A server with models that are functions, for the tests of gRPC's own part."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from burnish.serve.job import Job, Reply
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.repository.model import IndexEntry
from burnish.serve.request import NEWEST, Request, StandIn, Tensor
from burnish.serve.status import Code, ServeError

Behaviour = Callable[[Job], None]


class PretendedVersion:
    is_decoupled = False
    max_batch_size = 0

    def __init__(self, name: str, number: int, behaviour: Behaviour, decoupled: bool = False) -> None:
        self.name, self.number, self.behaviour, self.is_decoupled = name, number, behaviour, decoupled
        self.config = pb.ModelConfig(name=name, backend="pretended")
        self.statistics = self

    def check(self, request: Request) -> None:
        if "unexpected" in request.inputs:
            raise ServeError(Code.INVALID_ARG, "unexpected comes first")
        for given in request.inputs.values():
            if isinstance(given, StandIn) and given.fault is not None:
                raise given.fault

    def labels(self, output: str) -> Sequence[str]:
        return ["ash", "birch"]

    def metadata(self, versions: Sequence[int]) -> dict[str, Any]:
        inputs = [{"name": "IN", "datatype": "INT32", "shape": [-1, 4]}]
        return {
            "name": self.name,
            "versions": [str(v) for v in versions],
            "platform": "p",
            "inputs": inputs,
            "outputs": [],
        }

    def as_json(self, name: str, version: int) -> dict[str, Any]:
        success = {"count": 3, "ns": 1 << 40}
        return {"name": name, "version": str(version), "inference_count": 3, "inference_stats": {"success": success}}


class PretendedRepository:
    """Keeps what it was told in `told`."""

    def __init__(self, versions: list[PretendedVersion]) -> None:
        self.versions = versions
        self.told: list[tuple[Any, ...]] = []

    def is_ready(self, name: str, version: int = NEWEST) -> bool:
        return any(v.name == name and version in (NEWEST, v.number) for v in self.versions)

    def served(self) -> list[PretendedVersion]:
        return self.versions

    async def index(self, ready: bool = False) -> list[IndexEntry]:
        found = [IndexEntry(v.name, str(v.number), "READY") for v in self.versions]
        return found if ready else [*found, IndexEntry("broken", "1", "UNAVAILABLE", "why")]

    async def load(self, name: str, parameters: Mapping[str, str | bytes] | None = None) -> None:
        self.told.append(("load", name, dict(parameters or {})))
        if name == "broken":
            raise ServeError(Code.INTERNAL, "failed to load 'broken'")

    async def unload(self, name: str, with_dependents: bool = False) -> None:
        self.told.append(("unload", name, with_dependents))


class PretendedServer:
    name, version, extensions = "pretended", "1.2", ("a", "b")
    is_live = is_ready = True

    def __init__(self, *versions: PretendedVersion) -> None:
        self.repository = PretendedRepository(list(versions))
        self.asked: list[Request] = []
        self.jobs: list[Job] = []

    def find(self, model: str, version: int = NEWEST) -> PretendedVersion:
        for found in self.repository.versions:
            if found.name == model and version in (NEWEST, found.number):
                return found
        raise ServeError(Code.NOT_FOUND, f"Request for unknown model: '{model}' is not found")

    def infer(self, request: Request, reply: Reply) -> Job:
        version = self.find(request.model, request.version)
        self.asked.append(request)
        version.check(request)
        job = Job(request, version.name, version.number, 1, reply)
        self.jobs.append(job)
        version.behaviour(job)
        return job


def identity(job: Job) -> None:
    job.answer([Tensor("OUT", t.datatype, t.data) for t in job.request.inputs.values()])


def wait(job: Job) -> None:
    """Answered by the test."""


def fail(job: Job) -> None:
    job.fail(ServeError(Code.NOT_FOUND, "said on purpose"))


def refuse(job: Job) -> None:
    raise ServeError(Code.UNAVAILABLE, "the queue is full")


def count_up(job: Job) -> None:
    """A decoupled model: as many answers as its input says, then the end."""
    for number in range(int(next(iter(job.request.inputs.values())).data[0])):
        job.answer([Tensor("INDEX", "INT32", np.array([number], np.int32))], is_final=False)
    job.end()
