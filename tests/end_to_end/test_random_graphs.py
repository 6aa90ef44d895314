"""Random graphs give ONNX Runtime's answers, fixed or threaded; a failing seed is the whole reproduction."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

import burnish
from tests.end_to_end.random_graphs import RandomGraph


def check(seed: int, nodes: int, threads: int) -> None:
    graph = RandomGraph(seed, nodes)
    model, feeds = graph.model(), graph.feeds()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    expected = dict(zip([o.name for o in session.get_outputs()], session.run(None, feeds)))
    with burnish.load(burnish.build(model), threads=threads) as engine:
        for _ in range(2):  # the second run meets the first one's leftovers in the arena
            got = engine(feeds)
            for name, want in expected.items():
                scale = max(float(np.abs(want).max(initial=0)), 1.0)
                np.testing.assert_allclose(
                    got[name], want, rtol=1e-4, atol=3e-5 * scale, err_msg=f"seed {seed}: {name}"
                )


@pytest.mark.parametrize("seed", range(24))
def test_random_graphs_give_the_answers_of_onnx_runtime(seed: int) -> None:
    check(seed, nodes=12 + seed, threads=1 + seed % 2)


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_many_random_graphs_give_the_answers_of_onnx_runtime(block: int) -> None:
    for seed in range(1000 + 20 * block, 1020 + 20 * block):
        check(seed, nodes=10 + seed % 40, threads=1 + seed % 2)
