"""Random graphs of symbolic sizes for a GPU, every kernel in Triton's interpreter under some schedule of its own."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Kernel
from burnish.target import Target
from tests.end_to_end.oracle import answers, assert_random_graph, session
from tests.end_to_end.random_symbolic import SymbolicGraph
from tests.targets.cuda.whole_program import run_model

CHIPS = ("sm_75", "sm_80", "sm_90a", "sm_100")


def check(seed: int, nodes: int) -> None:
    graph = SymbolicGraph(seed, nodes)
    model, feeds = graph.model().SerializeToString(), graph.some_feeds()
    dice = random.Random(seed)
    chip = dice.choice(CHIPS)

    def choose(kernel: Kernel, found: Sequence[Schedule]) -> Schedule:
        del kernel
        return dice.choice([found[0], *found])

    got = run_model(model, feeds, profile=graph.profile(), target=Target("cuda", chip), choose=choose)
    assert_random_graph(got, answers(session(model), feeds), f"seed {seed}, {chip}")


@pytest.mark.parametrize("seed", range(8))
def test_random_graphs_give_the_answers_of_onnx_runtime(seed: int) -> None:
    check(seed, nodes=10 + 3 * seed)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(4))
def test_many_random_graphs_give_the_answers_of_onnx_runtime(block: int) -> None:
    for seed in range(3000 + 20 * block, 3020 + 20 * block):
        check(seed, nodes=10 + seed % 40)
