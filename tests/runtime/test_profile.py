"""profile.py: every launch and reference step has its time."""

from __future__ import annotations

import time

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.ops.language.expr import unary
from burnish.runtime import load
from tests.targets.cpu.programs import Maker, pointwise

N = 1 << 16
X = np.linspace(-1, 1, N, dtype=np.float32)


@pytest.mark.parametrize("threads", [1, 2])
def test_launch_times_add_up_to_the_run(threads: int):
    m = Maker(N)
    x, t, y = m.input("x"), m.storage("arena"), m.output("y")
    m.pointwise(lambda a: unary("exp", a), x, t, name="exp")
    m.pointwise(lambda a: unary("tanh", a), t, y, name="tanh")
    with load(m.plan(), threads=threads) as engine, engine.create_context() as context:
        layers = context.profile({"x": X}, iterations=20)
        times = []
        for _ in range(20):
            start = time.perf_counter()
            context(x=X)
            times.append((time.perf_counter() - start) * 1e3)
    assert [layer.name for layer in layers] == ["exp", "tanh"]
    assert all(layer.ms > 0 and layer.flops == N and layer.bytes == 8 * N for layer in layers)
    assert sum(layer.ms for layer in layers) < 5 * np.median(times)


def test_the_side_of_an_if_that_was_not_taken_has_no_time():
    m = Maker(64)
    c, x, y = m.input("c", (), DType.BOOL), m.input("x"), m.output("y")
    sides = [pointwise(lambda a: a + a, x, y, n=64)], [pointwise(lambda a: a * a, x, y, n=64)]
    m.branch(c, *sides)
    m.pointwise(lambda a: a + a, y, y)
    with load(m.plan(), threads=2) as engine, engine.create_context() as context:
        layers = context.profile({"c": np.array(True), "x": X[:64]})
        assert [layer.ms > 0 for layer in layers] == [True, False, True]
        layers = context.profile({"c": np.array(False), "x": X[:64]})
        assert [layer.ms > 0 for layer in layers] == [False, True, True]


def test_a_reference_step_has_its_share():
    m = Maker(64)
    x, t, y = m.input("x"), m.storage("arena"), m.output("y")
    m.pointwise(lambda a: a + a, x, t)
    m.reference("Neg", [m.ref("t", t)], [m.ref("y", y)])
    with load(m.plan(), threads=1) as engine, engine.create_context() as context:
        native, reference = context.profile({"x": X[:64]})
        assert np.array_equal(context(x=X[:64])["y"], -2 * X[:64])
    assert reference.kernel == "Reference" and reference.tactic == "Neg"
    assert reference.ms > native.ms > 0


def test_a_wrong_input_is_refused_while_profiling_too():
    m = Maker(64)
    m.pointwise(lambda a: a + a, m.input("x"), m.output("y"))
    with load(m.plan(), threads=1) as engine, engine.create_context() as context:
        with pytest.raises(Exception, match="E502"):
            context.profile({"z": X[:64]})
        assert np.array_equal(context(x=X[:64])["y"], 2 * X[:64])
