"""Runs that stop after each step."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import parser

import burnish
from burnish.runtime.stepwise import Stepwise

MODEL = """<ir_version: 10, opset_import: ["": 21]> g (float[N,4] x) => (float[N,4] y, int64[K,2] at)
<float w = {2.0}> { a = Mul(x, w) y = Relu(a) z = NonZero(x) at = Transpose(z) }"""


@pytest.fixture(scope="module")
def plan() -> burnish.Plan:
    return burnish.build(parser.parse_model(MODEL), profile={"x": ((1, 4), (3, 4), (5, 4))})


def test_all_steps_in_order_give_the_answers_of_a_call(plan: burnish.Plan) -> None:
    x = np.arange(-6, 6, dtype=np.float32).reshape(3, 4)
    with burnish.load(plan, threads=1) as engine, engine.stepwise() as run:
        want = engine(x=x)["y"]
        storage = next(t.storage for t in engine.manifest.outputs if t.name == "y")
        for _ in range(2):  # a second run begins anew
            run.begin({"x": x})
            for step in range(len(run.steps)):
                run.step(step)
            assert np.array_equal(run.read(storage).view(np.float32).reshape(3, 4), want)
        assert run.values["N"] == 3 and sorted(n for s in run.steps for n in s) == list(
            range(len(engine.variant.launches))
        )


def test_what_is_written_between_steps_is_what_is_read_next(plan: burnish.Plan) -> None:
    x = np.ones((2, 4), np.float32)
    with burnish.load(plan, threads=1) as engine, engine.stepwise() as run:
        run.begin({"x": x})
        storage = next(t.storage for t in engine.manifest.outputs if t.name == "y")
        run.write(storage, np.full(8, 7, np.float32).view(np.uint8))
        assert set(run.read(storage).view(np.float32)) == {7.0}


def test_inputs_are_refused_as_in_a_call_and_a_closed_engine_too(plan: burnish.Plan) -> None:
    with burnish.load(plan, threads=1) as engine, engine.stepwise() as run:
        for given, code in (
            ({"x": np.ones((9, 4), np.float32)}, "E505"),
            ({}, "E502"),
            ({"x": np.ones(4)}, "E503"),
        ):
            with pytest.raises(burnish.UserError) as refused:
                run.begin(given)
            assert refused.value.code == code
        assert isinstance(run, Stepwise)
    with pytest.raises(burnish.UserError) as refused:
        engine.stepwise()
    assert refused.value.code == "E511"
