"""What is looked at: the server, its models and its cache, as far as this room needs to know them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from burnish.serve.observe.statistics import ModelStatistics


class Queues(Protocol):
    @property
    def pending(self) -> int: ...


class Version(Protocol):
    """A loaded version. config: a ModelConfig."""

    @property
    def name(self) -> str: ...

    @property
    def number(self) -> int: ...

    @property
    def config(self) -> Any: ...

    @property
    def statistics(self) -> ModelStatistics: ...

    @property
    def scheduler(self) -> Queues: ...

    @property
    def in_flight(self) -> int: ...

    @property
    def memory_bytes(self) -> int: ...


class State(Protocol):
    """Of a version that is, or was, or should be loaded. state: READY, LOADING, UNLOADING or UNAVAILABLE."""

    @property
    def state(self) -> str: ...

    @property
    def reason(self) -> str: ...

    @property
    def version(self) -> Version | None: ...


class Model(Protocol):
    @property
    def versions(self) -> Mapping[int, State]: ...


class Repository(Protocol):
    """refused: models without a version, since their last load was refused, and why."""

    @property
    def refused(self) -> Mapping[str, str]: ...

    @property
    def models(self) -> Mapping[str, Model]: ...

    def served(self) -> Sequence[Version]: ...


class Server(Protocol):
    name: str
    version: str

    @property
    def repository(self) -> Repository: ...

    @property
    def is_ready(self) -> bool: ...


class Cache(Protocol):
    """The response cache of the whole server."""

    lookups: int
    hits: int
    evictions: int
    lookup_ns: int
    insert_ns: int

    @property
    def entries(self) -> int: ...

    @property
    def misses(self) -> int: ...

    @property
    def utilization(self) -> float: ...


class ShadowOutput(Protocol):
    """Differences of one output. requests: with one beyond the tolerance, or that could not be compared."""

    elements: int
    unequal: int
    beyond: int
    requests: int
    max_abs: float
    max_rel: float


class Shadow(Protocol):
    """What a model's shadow traffic has shown."""

    compared: int
    failed: int
    skipped: int

    @property
    def outputs(self) -> Mapping[str, ShadowOutput]: ...

    def as_json(self) -> dict[str, Any]: ...
