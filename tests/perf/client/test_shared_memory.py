"""Regions of shared memory hold the inputs, and are gone afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.errors import EnvironmentProblem
from burnish.perf.client import shared_memory
from burnish.perf.client.shared_memory import SharedMemory
from burnish.perf.data.tensor import from_values
from tests.perf.made_report import MODEL


class Registry:
    def __init__(self) -> None:
        self.known: dict[str, tuple[str, int]] = {}

    def register_memory(self, name: str, key: str, size_bytes: int) -> None:
        self.known[name] = key, size_bytes

    def unregister_memory(self, name: str) -> None:
        del self.known[name]


def test_inputs_lie_where_their_region_says_and_go_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "FOLDER", tmp_path)
    step = (from_values("A", "INT8", [1, 2, 3], (3,)), from_values("B", "INT8", [4, 5], (2,)))
    registry = Registry()
    with SharedMemory(registry) as memory:
        region = memory.put(step)
        outputs = memory.reserve(MODEL, 100)
        key, size = registry.known[region.name]
        data = (tmp_path / key[1:]).read_bytes()
        assert len(data) == size
        for tensor in step:
            offset, length = region.places[tensor.name]
            assert data[offset : offset + length] == tensor.to_bytes() and offset % 64 == 0
        assert outputs.place("OUT")["shared_memory_byte_size"] == 100
        assert registry.known[outputs.name][1] >= 100
    assert registry.known == {} and list(tmp_path.iterdir()) == []


def test_a_machine_without_shared_memory_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_memory, "FOLDER", tmp_path / "none")
    registry = Registry()
    registry.unregister_memory = lambda name: None  # type: ignore[method-assign]
    with pytest.raises(EnvironmentProblem, match="E686"), SharedMemory(registry) as memory:
        memory.reserve(MODEL, 100)
