"""A server without models on disk: what the HTTP routes call, with a few models that answer at once or on request."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish.serve.config.show import config_json, metadata_json
from burnish.serve.http.application import Application
from burnish.serve.http.wire.limits import Limits
from burnish.serve.http.wire.listener import Listener
from burnish.serve.job import Job, Reply
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.request import NEWEST, Request, StandIn, Tensor
from burnish.serve.status import Code, ServeError, invalid

Run = Callable[[Job], None]


@dataclass
class FakeStatistics:
    def as_json(self, name: str, version: int) -> dict[str, Any]:
        return {"name": name, "version": str(version), "inference_count": 0}


@dataclass
class FakeVersion:
    name: str
    number: int
    config: pb.ModelConfig
    run: Run
    classes: Sequence[str] | None = None
    statistics: FakeStatistics = field(default_factory=FakeStatistics)

    @property
    def is_decoupled(self) -> bool:
        return bool(self.config.model_transaction_policy.decoupled)

    @property
    def max_batch_size(self) -> int:
        return int(self.config.max_batch_size)

    def check(self, request: Request) -> None:
        names = {i.name for i in self.config.input}
        for name in request.inputs:
            if name not in names:
                raise invalid(f"unexpected inference input '{name}' for model '{self.name}'").of_request(request.id)
        for given in request.inputs.values():
            if isinstance(given, StandIn) and given.fault is not None:
                raise given.fault

    def config_json(self) -> dict[str, Any]:
        return config_json(self.config)

    def metadata(self, versions: Sequence[int]) -> dict[str, Any]:
        return metadata_json(self.config, versions)

    def labels(self, output: str) -> Sequence[str] | None:
        return self.classes


@dataclass
class FakeEntry:
    name: str
    version: str = ""
    state: str = ""
    reason: str = ""


class FakeRepository:
    def __init__(self, versions: Sequence[FakeVersion]) -> None:
        self.versions = list(versions)
        self.calls: list[tuple[Any, ...]] = []

    def served(self) -> Sequence[FakeVersion]:
        return self.versions

    def is_ready(self, name: str, version: int) -> bool:
        return any(v.name == name and version in (NEWEST, v.number) for v in self.versions)

    async def index(self, ready: bool) -> Sequence[FakeEntry]:
        found = [FakeEntry(v.name, str(v.number), "READY") for v in self.versions]
        return found if ready else [*found, FakeEntry("asleep")]

    async def load(self, name: str, parameters: Mapping[str, str | bytes]) -> None:
        self.calls.append(("load", name, dict(parameters)))
        if name == "broken":
            raise ServeError(Code.INTERNAL, "failed to load 'broken', failed to poll from model repository")

    async def unload(self, name: str, with_dependents: bool) -> None:
        self.calls.append(("unload", name, with_dependents))


class FakeServer:
    name, version, extensions = "burnish", "1", ("statistics",)
    is_live = is_ready = True

    def __init__(self, *versions: FakeVersion) -> None:
        self.repository = FakeRepository(versions or standard_models())
        self.jobs: list[Job] = []

    def find(self, model: str, version: int) -> FakeVersion:
        for found in self.repository.versions:
            if found.name == model and version in (NEWEST, found.number):
                return found
        of = f" version {version}" if version != NEWEST else ""
        raise ServeError(Code.NOT_FOUND, f"Request for unknown model: '{model}'{of} is not found")

    def infer(self, request: Request, reply: Reply) -> Job:
        version = self.find(request.model, request.version)
        version.check(request)
        job = Job(request, version.name, version.number, 1, reply)
        self.jobs.append(job)
        version.run(job)
        return job


def config_of(name: str, inputs: str, outputs: str, batch: int = 0, decoupled: bool = False) -> pb.ModelConfig:
    """inputs, outputs: `NAME TYPE DIM,DIM; ...`"""
    config = pb.ModelConfig(name=name, backend="python", max_batch_size=batch)
    config.model_transaction_policy.decoupled = decoupled
    for target, text in ((config.input, inputs), (config.output, outputs)):
        for entry in text.split(";"):
            tensor, datatype, dims = entry.split()
            target.add(name=tensor, data_type=getattr(pb, datatype), dims=[int(d) for d in dims.split(",")])
    return config


def _identity(job: Job) -> None:
    (tensor,) = job.request.inputs.values()
    job.answer([Tensor("OUT", tensor.datatype, tensor.data)])


def _addsub(job: Job) -> None:
    a, b = job.request.inputs["A"].data, job.request.inputs["B"].data
    job.answer([Tensor("SUM", "INT32", a + b), Tensor("DIFF", "INT32", a - b)])


def _repeat(job: Job) -> None:
    for i in range(int(job.request.inputs["COUNT"].data[0])):
        job.answer([Tensor("INDEX", "INT32", np.array([i], np.int32))], is_final=False)
    job.end()


def _never(job: Job) -> None:
    """Answers when a test says so."""


def _fails(job: Job) -> None:
    job.fail(ServeError(Code.NOT_FOUND, "said on purpose"))


def standard_models() -> list[FakeVersion]:
    identity = config_of("identity", "IN TYPE_FP32 -1", "OUT TYPE_FP32 -1")
    words = config_of("words", "IN TYPE_STRING -1", "OUT TYPE_STRING -1")
    halves = config_of("halves", "IN TYPE_FP16 -1", "OUT TYPE_FP16 -1")
    bytes_ = config_of("bytes", "IN TYPE_UINT8 -1", "OUT TYPE_UINT8 -1")
    scores = config_of("scores", "IN TYPE_FP32 3", "OUT TYPE_FP32 3", batch=4)
    addsub = config_of("addsub", "A TYPE_INT32 4; B TYPE_INT32 4", "SUM TYPE_INT32 4; DIFF TYPE_INT32 4", batch=8)
    repeat = config_of("repeat", "COUNT TYPE_INT32 1", "INDEX TYPE_INT32 1", decoupled=True)
    return [
        FakeVersion("identity", 1, identity, _identity),
        FakeVersion("words", 1, words, _identity),
        FakeVersion("halves", 1, halves, _identity),
        FakeVersion("bytes", 1, bytes_, _identity),
        FakeVersion("scores", 1, scores, _identity, ["ash", "", "cedar"]),
        FakeVersion("addsub", 1, addsub, _addsub),
        FakeVersion("repeat", 1, repeat, _repeat),
        FakeVersion("never", 1, identity, _never),
        FakeVersion("fails", 1, identity, _fails),
    ]


class Running:
    """A listener over a fake server, in the test's own event loop."""

    def __init__(self, limits: Limits | None = None, **options: Any) -> None:
        self.server = FakeServer()
        self.application = Application(self.server, limits=limits, **options)
        self.listener = Listener(self.application.handle, limits)
        self.port = 0
        self.writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Running:
        self.port = await self.listener.open("127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        for writer in self.writers:
            writer.close()
        await self.listener.close(0.5)
        await asyncio.sleep(0)  # the clients' transports end

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        return reader, writer

    async def ask(self, raw: bytes, count: int = 1) -> list[Answer]:
        """Send bytes over a connection of their own; the answers, in order."""
        reader, writer = await self.connect()
        writer.write(raw)
        found = [await read_answer(reader) for _ in range(count)]
        writer.close()
        return found

    async def post(self, path: str, body: bytes | str, *headers: str) -> Answer:
        data = body.encode() if isinstance(body, str) else body
        return (await self.ask(request("POST", path, data, *headers)))[0]

    async def get(self, path: str, *headers: str) -> Answer:
        return (await self.ask(request("GET", path, b"", *headers)))[0]


@dataclass
class Answer:
    """headers: of several of one name the last; header_lines has all."""

    status: int
    headers: dict[str, str]
    body: bytes
    header_lines: tuple[tuple[str, str], ...] = ()


def request(method: str, path: str, body: bytes = b"", *headers: str) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


async def read_answer(reader: asyncio.StreamReader) -> Answer:
    """One answer, chunked or with a length."""

    async def read() -> Answer:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        header_lines = tuple((k.lower(), v) for k, v in (line.split(": ", 1) for line in lines))
        headers = dict(header_lines)
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await reader.readline(), 16):
                body += await reader.readexactly(size)
                await reader.readline()
            await reader.readline()
        else:
            body = await reader.readexactly(int(headers.get("content-length", "0")))
        return Answer(int(first.split()[1]), headers, body, header_lines)

    return await asyncio.wait_for(read(), 10)
