"""Random graphs give ONNX Runtime's answers, fixed or threaded; a failing seed is the whole reproduction."""

from __future__ import annotations

import pytest

import burnish
from tests.end_to_end.oracle import answers, assert_random_graph, session
from tests.end_to_end.random_graphs import RandomGraph


def check(seed: int, nodes: int, threads: int) -> None:
    graph = RandomGraph(seed, nodes)
    model, feeds = graph.model(), graph.feeds()
    expected = answers(session(model.SerializeToString()), feeds)
    with burnish.load(burnish.build(model), threads=threads) as engine:
        for _ in range(2):  # the second run meets the first one's leftovers in the arena
            got = engine(feeds)
            assert_random_graph(got, expected, f"seed {seed}")


@pytest.mark.parametrize("seed", range(24))
def test_random_graphs_give_the_answers_of_onnx_runtime(seed: int) -> None:
    check(seed, nodes=12 + seed, threads=1 + seed % 2)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_random_graphs_give_the_answers_of_onnx_runtime(block: int) -> None:
    for seed in range(1000 + 20 * block, 1020 + 20 * block):
        check(seed, nodes=10 + seed % 40, threads=1 + seed % 2)
