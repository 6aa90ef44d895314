"""What opening a model needs, whichever backend it has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from burnish.serve.backends import Backend
from burnish.serve.job import Job, Reply
from burnish.serve.proto import model_config_pb2 as pb
from burnish.serve.request import Request


@dataclass(frozen=True)
class Place:
    """What there is for a model to run with.

    workers     threads for runs that are longer than a thread switch
    cache       where plans lie that were built from ONNX files
    trusted_key the Ed25519 public key that must have signed each plan; None: any plan is taken
    build_bytes the most memory that a build may use; 0 for no limit
    building    one build at a time: each takes all cores and much memory, and two models may be of one file
    submit      takes a request that a model makes of another one; ServeError if it is refused at once
    """

    loop: asyncio.AbstractEventLoop
    workers: Executor
    cache: Path
    trusted_key: str | bytes | Path | None = None
    build_bytes: int = 0
    building: asyncio.Lock = field(default_factory=asyncio.Lock)
    submit: Callable[[Request, Reply], Job] | None = None


class Loading(Protocol):
    """A version's model, read and not yet ready: it tells what it is before the configuration is checked."""

    async def complete(self, config: pb.ModelConfig) -> None:
        """Fill in what the configuration leaves open. ServeError if it says what the model is not."""
        ...

    def needed_bytes(self, config: pb.ModelConfig) -> int:
        """What the instances that the completed configuration asks for will hold, and what they share."""
        ...

    async def open(self, config: pb.ModelConfig) -> Backend:
        """Make the instances that the completed configuration asks for."""
        ...

    async def abort(self) -> None:
        """Give back what was read; the load failed."""
        ...


Tell = Callable[[str], None]
