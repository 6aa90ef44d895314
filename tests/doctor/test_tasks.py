"""What launches leave in memory, and launches on the f32 model's numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

import burnish
from burnish.doctor.locate import written_graph
from burnish.doctor.meaning import meanings_of
from burnish.doctor.rebuilt import rebuild
from burnish.doctor.tasks import Tasks
from burnish.precision.ranges import Range
from tests.doctor.planted import DATA, fitting_ranges, mlp, model_of, normal


@contextmanager
def opened(model: onnx.ModelProto, **options: Any) -> Iterator[Tasks]:
    plan = burnish.build(model, **options)
    found = rebuild(model, plan, plan.manifest.variants[0])
    meanings = meanings_of(written_graph(model, plan, found), found.analysis.model.graph)
    with burnish.load(found.plan, threads=1) as engine, Tasks(found, engine, meanings) as tasks:
        yield tasks


def exact_of(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Every tensor, by ONNX Runtime."""
    more = onnx.ModelProto.FromString(model.SerializeToString())
    names = [name for node in more.graph.node for name in node.output]
    present = {v.name for v in more.graph.output}
    more.graph.output.extend(onnx.helper.make_tensor_value_info(n, 1, None) for n in names if n not in present)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(more.SerializeToString(), options)
    wanted = [v.name for v in session.get_outputs()]
    return dict(zip(wanted, session.run(wanted, feeds))) | feeds


def convolutions() -> onnx.ModelProto:
    text = """g (float[2,3,9,7] x) => (float[2,4,9,7] y) {
        [c1] a = Conv<pads = [1, 1, 1, 1]>(x, w) [r1] b = Relu(a)
        [c2] c = Conv<pads = [1, 1, 1, 1]>(b, v) [add] d = Add(b, c) [r2] y = Sigmoid(d)
    }"""
    return model_of(text, w=normal(4, 3, 3, 3, seed=1), v=normal(4, 4, 3, 3, seed=2))


@pytest.mark.parametrize("apart", [False, True])
def test_the_tensors_of_an_f32_plan_are_onnx_runtimes_in_any_layout(apart: bool) -> None:
    model, feeds = convolutions(), {"x": normal(2, 3, 9, 7, seed=3)}
    exact, seen = exact_of(model, feeds), {}
    with opened(model) as tasks:
        for _ in range(2):
            if apart:
                tasks.run_apart(feeds, exact, lambda b, x: seen.update({b.meaning.tensor: x.copy()}))
            else:
                tasks.run(feeds, lambda b, x: seen.update({b.meaning.tensor: x.copy()}))
    assert {"b", "y"} <= seen.keys()
    for name, array in seen.items():
        np.testing.assert_allclose(array, exact[name], rtol=1e-4, atol=1e-5)


def test_a_launch_on_exact_numbers_knows_nothing_of_the_error_before_it() -> None:
    model = mlp()
    exact = exact_of(model, DATA[0])
    wrong = fitting_ranges(model, x=Range(-0.05, 0.05))  # nothing right comes after it
    whole, made = {}, {}
    with opened(model, precision="int8", ranges=wrong) as tasks:
        assert [b.meaning.tensor for b in tasks.boundaries] == ["x", "b", "y"]
        tasks.run(DATA[0], lambda b, x: whole.update({b.meaning.tensor: x}))
        tasks.run_apart(DATA[0], exact, lambda b, x: made.update({b.meaning.tensor: x}))
        stored = tasks.stored(tasks.boundaries[0], DATA[0]["x"])
    assert np.abs(stored).max() <= 0.051 and np.array_equal(whole["x"], stored)
    off = {name: np.abs(found["y"] - exact["y"]).max() for name, found in (("whole", whole), ("made", made))}
    assert off["made"] < 0.05 * off["whole"]
    y = tasks.boundaries[-1]
    assert y.nodes[-1] == "second" and "b/codes" in y.reads
