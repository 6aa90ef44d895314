"""What is measured and how: one frozen object that the command line fills."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Scalar = bool | int | float | str
Protocol = Literal["http", "grpc"]


@dataclass(frozen=True, slots=True)
class Tls:
    """Files of a secured connection; an empty `ca` means the system's authorities."""

    ca: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class Sequences:
    """Requests of one correlation id that follow each other. length: mean number; variation: +- percent of it.

    active: open loop: sequences that are under way at a time (in a closed loop every slot has one)
    """

    active: int = 4
    length: int = 20
    variation: float = 20.0
    first_id: int = 1
    last_id: int = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Options:
    """concurrency: closed loop, requests in flight; rates: open loop, requests a second. One of the two.

    data: random, zero, or a file or folder that `data.read_data` takes
    percentile: judges whether windows agree, and the limit; None: the mean
    requests: measure exactly this many per level instead of windows; 0: windows
    """

    model: str
    url: str = ""
    protocol: Protocol = "http"
    version: str = ""
    concurrency: tuple[int, ...] = (1,)
    rates: tuple[float, ...] = ()
    arrivals: Literal["constant", "poisson"] = "constant"
    intervals_s: tuple[float, ...] = ()
    max_in_flight: int = 1024
    batch: int = 1
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    data: str = "random"
    string_length: int = 128
    string_value: str | None = None
    seed: int = 0
    window_s: float = 2.0
    window_requests: int = 10
    max_windows: int = 10
    stability: float = 10.0
    warm_up_s: float = 1.0
    requests: int = 0
    percentile: float | None = None
    latency_limit_ms: float | None = None
    search: bool = False
    processes: int = 1
    timeout_s: float = 60.0
    streaming: bool = False
    sequences: Sequences | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, Scalar] = field(default_factory=dict)
    encoding: Literal["binary", "json"] = "binary"
    shared_memory: Literal["none", "system"] = "none"
    output_memory: int = 1 << 17
    tls: Tls = field(default_factory=Tls)

    @property
    def is_open(self) -> bool:
        """Are requests sent at their time, whether or not earlier ones were answered?"""
        return bool(self.rates or self.intervals_s)
