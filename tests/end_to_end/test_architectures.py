"""The standard architectures, as exporters write them: small at every shape and thread count; full size when slow."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import burnish
from burnish.errors import EnvironmentProblem
from burnish.target import LEVELS
from tests.end_to_end.architectures import FULL, SMALL, Architecture
from tests.end_to_end.oracle import Array, answers, assert_near, session, shapes, tolerance


def depth(model: bytes) -> int:
    """How many layers with weights or a softmax there are: an upper bound of the longest chain of them."""
    counted = {"Conv", "MatMul", "Gemm", "LayerNormalization", "Softmax", "BatchNormalization"}
    return sum(node.op_type in counted for node in onnx.load_from_string(model).graph.node)


def check(architecture: Architecture, model: bytes, plan: burnish.Plan, cases: list[dict[str, Array]]) -> None:
    """One plan on every case with one thread and with two, against ONNX Runtime."""
    oracle = session(model)
    limit = tolerance(np.dtype(np.float32), depth(model))
    expected = [answers(oracle, feeds) for feeds in cases]
    for answer in expected:
        assert all(0.1 < float(v.std()) < 10 for v in answer.values()), "comparisons mean something at unit scale"
    for threads in (1, 2):
        with burnish.load(plan, threads=threads) as engine:
            for feeds, want in zip(cases, expected, strict=True):
                assert_near(engine(feeds), want, limit)


@pytest.mark.parametrize("name", SMALL)
def test_fixed_shapes(name: str):
    architecture = SMALL[name]
    model = architecture.make()
    feeds = architecture.feeds(batch=1)
    plan = burnish.build(model, shapes=shapes(feeds))
    assert plan.manifest.notes == (), "nothing runs on the reference kernel"
    check(architecture, model, plan, [feeds, architecture.feeds(batch=1, seed=1)])


@pytest.mark.parametrize("name", SMALL)
def test_a_profile_serves_every_shape_in_it_with_batch_norm_left_in_the_graph(name: str):
    architecture = SMALL[name]
    model = architecture.make(folded=False)
    low, best, high = (architecture.feeds(*sizes) for sizes in ((1, 1), (2, 16), (4, 32)))
    profile = {k: (low[k].shape, best[k].shape, high[k].shape) for k in low}
    plan = burnish.build(model, profile=profile)
    assert plan.manifest.notes == (), "nothing runs on the reference kernel"
    sizes = [(1, 7), (2, 16), (3, 13), (4, 32)] if architecture.takes_tokens else [(1, 0), (2, 0), (3, 0), (4, 0)]
    check(architecture, model, plan, [architecture.feeds(*size) for size in sizes])


@pytest.mark.parametrize("name", ["resnet", "bert"])
def test_every_level_of_one_plan_gives_the_same_answers(name: str):
    architecture = SMALL[name]
    model = architecture.make()
    feeds = architecture.feeds(batch=2)
    want = answers(session(model), feeds)
    for level in LEVELS:
        plan = burnish.build(model, shapes=shapes(feeds), target=f"cpu:{level}")
        assert [v.target for v in plan.manifest.variants] == [f"cpu:{level}"]
        try:
            engine = burnish.load(plan, threads=2)
        except EnvironmentProblem as problem:
            assert problem.code == "E501", "it builds, and a machine without the level says so"
            continue
        with engine:
            assert_near(engine(feeds), want, tolerance(np.dtype(np.float32), depth(model)))


def test_one_plan_holds_several_levels():
    architecture = SMALL["vit"]
    model = architecture.make(depth=1)
    feeds = architecture.feeds(batch=1)
    plan = burnish.build(model, shapes=shapes(feeds), target=["cpu:x86-64-v2", "cpu:x86-64-v3"])
    assert [v.target for v in plan.manifest.variants] == ["cpu:x86-64-v2", "cpu:x86-64-v3"]
    check(architecture, model, plan, [feeds])


@pytest.mark.slow
@pytest.mark.parametrize("name", FULL)
def test_full_size(name: str):
    architecture = FULL[name]
    model = architecture.make()
    feeds = architecture.feeds(batch=1, length=128)
    plan = burnish.build(model, shapes=shapes(feeds))
    assert plan.manifest.notes == ()
    check(architecture, model, plan, [feeds])
