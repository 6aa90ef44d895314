"""What the routes need of the server behind them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from burnish.serve.job import Job
from burnish.serve.request import Request, Response


class Statistics(Protocol):
    def as_json(self, name: str, version: int) -> dict[str, Any]: ...


class ModelVersion(Protocol):
    name: str
    number: int
    config: Any
    is_decoupled: bool
    max_batch_size: int

    @property
    def statistics(self) -> Statistics: ...

    def check(self, request: Request) -> None:
        """Raise what is wrong with a request, as `Server.infer` would, without running it."""
        ...

    def config_json(self) -> dict[str, Any]: ...

    def metadata(self, versions: Sequence[int]) -> dict[str, Any]: ...

    def labels(self, output: str) -> Sequence[str] | None: ...


class IndexEntry(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    @property
    def state(self) -> str: ...

    @property
    def reason(self) -> str: ...


class Repository(Protocol):
    def is_ready(self, name: str, version: int) -> bool: ...

    def served(self) -> Sequence[ModelVersion]: ...

    async def index(self, ready: bool) -> Sequence[IndexEntry]: ...

    async def load(self, name: str, parameters: Mapping[str, str | bytes]) -> None: ...

    async def unload(self, name: str, with_dependents: bool) -> None: ...


class Server(Protocol):
    """Called on the event loop's thread."""

    name: str
    version: str

    @property
    def extensions(self) -> Sequence[str]: ...

    @property
    def repository(self) -> Repository: ...

    @property
    def is_live(self) -> bool: ...

    @property
    def is_ready(self) -> bool: ...

    def find(self, model: str, version: int) -> ModelVersion: ...

    def infer(self, request: Request, reply: Callable[[Response], None]) -> Job: ...
