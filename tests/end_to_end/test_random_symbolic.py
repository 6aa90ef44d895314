"""Random graphs of symbolic sizes give ONNX Runtime's answers at every size; memory that nobody wrote is NaN."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import burnish
from burnish.devices.cpu.device import Cpu
from burnish.devices.cpu.memory import CpuMemory
from tests.end_to_end.oracle import answers, assert_random_graph, session
from tests.end_to_end.random_symbolic import SymbolicGraph

RUNS = 4


@pytest.fixture(autouse=True)
def garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arena holds no numbers at first, but for what binding shapes makes zero."""
    allocate = Cpu.allocate

    def filled(self: Cpu, size_bytes: int) -> CpuMemory:
        memory = allocate(self, size_bytes)
        memory.array(np.dtype(np.uint8), (size_bytes,))[:] = 0xFF
        return memory

    monkeypatch.setattr(Cpu, "allocate", filled)


def nothing(like: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.full_like(like, np.nan)


def check(seed: int, nodes: int) -> None:
    graph = SymbolicGraph(seed, nodes)
    model = graph.model()
    oracle = session(model.SerializeToString())
    with burnish.load(burnish.build(model, profile=graph.profile()), threads=1 + seed % 2) as engine:
        for _ in range(RUNS):
            feeds = graph.some_feeds()
            expected = answers(oracle, feeds)
            with engine.create_context() as context:
                got = context(feeds, out={name: nothing(want) for name, want in expected.items()})
            assert_random_graph(got, expected, f"seed {seed}")


@pytest.mark.parametrize("seed", range(16))
def test_random_graphs_of_symbolic_sizes_give_the_answers_of_onnx_runtime(seed: int) -> None:
    check(seed, nodes=10 + 2 * seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(6))
def test_many_random_graphs_of_symbolic_sizes_give_the_answers_of_onnx_runtime(block: int) -> None:
    for seed in range(1000 + 20 * block, 1020 + 20 * block):
        check(seed, nodes=10 + seed % 40)
