"""Tensors in system shared memory: the server reads inputs and writes outputs there, and only names travel."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from burnish.errors import EnvironmentProblem
from burnish.perf.data.model import Model
from burnish.perf.data.read_data import Step

FOLDER = Path("/dev/shm")
ALIGNMENT = 64


class Registry(Protocol):
    """A server that takes shared memory."""

    def register_memory(self, name: str, key: str, size_bytes: int) -> None: ...
    def unregister_memory(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Region:
    """name: as the server knows it; places: offset and size [bytes] by tensor."""

    name: str
    places: Mapping[str, tuple[int, int]]

    def place(self, tensor: str) -> dict[str, str | int]:
        """The parameters that say where a tensor lies."""
        offset, size = self.places[tensor]
        return {
            "shared_memory_region": self.name,
            "shared_memory_offset": offset,
            "shared_memory_byte_size": size,
        }


class SharedMemory:
    """The regions of one measurement. Leaving it takes them back from the server and removes their files."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._files: list[tuple[str, Path]] = []

    def __enter__(self) -> SharedMemory:
        return self

    def __exit__(self, *_: object) -> None:
        for name, path in self._files:
            path.unlink(missing_ok=True)
            self._registry.unregister_memory(name)

    def put(self, step: Step) -> Region:
        """A region with a request's inputs."""
        return self._make({t.name: t.to_bytes() for t in step})

    def reserve(self, model: Model, size_bytes: int) -> Region:
        """A region for outputs, this many bytes each. All requests write into it: nobody reads the values."""
        return self._make({o.name: bytes(size_bytes) for o in model.outputs})

    def _make(self, contents: Mapping[str, bytes]) -> Region:
        """E686 if the machine has no shared memory, or the server refuses it."""
        name = f"burnish-perf-{uuid.uuid4().hex[:12]}"
        path = FOLDER / name
        places, end = {}, 0
        for tensor, data in contents.items():
            places[tensor] = end, len(data)
            end += -(-len(data) // ALIGNMENT) * ALIGNMENT
        self._files.append((name, path))
        try:
            with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                for tensor, data in contents.items():
                    file.seek(places[tensor][0])
                    file.write(data)
                file.truncate(max(end, 1))
        except OSError as error:
            raise EnvironmentProblem("E686", "this machine has no shared memory left", why=str(error)) from None
        self._registry.register_memory(name, f"/{name}", max(end, 1))
        return Region(name, places)
