"""Both forms of every product in one graph: no switch gives f32's answer, all give the quantised one."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from burnish.precision.quantise.quantise import quantise
from burnish.precision.quantise.switch import SWITCHES, add_switches
from burnish.precision.ranges import Range, Ranges
from tests.precision.graphs import normal, parse
from tests.precision.quantise.test_quantise import WEIGHTS, run

TEXT = """g (float[1,4,6,6] x) => (float[1,4,6,6] y) {
    a = Conv<pads=[1,1,1,1]>(x, w1)   r = Relu(a)   b = Conv<pads=[1,1,1,1]>(r, w2)   c = Conv(r, w3)   y = Sub(b, c)
}"""
RANGES = Ranges({"x": Range(-4, 4), "r": Range(0, 30)})


def named(text: str) -> ir.Model:
    model = parse(text, WEIGHTS)
    for node, name in zip(model.graph, "abcde"):
        node.name = name
    return model


def test_no_switch_is_f32_and_all_are_int8() -> None:
    x = normal(1, 4, 6, 6, seed=3)
    exact, quantised, switched = (named(TEXT) for _ in range(3))
    quantise(quantised.graph, RANGES)
    names = add_switches(switched.graph, RANGES)
    assert len(names) == 3
    for on, wanted in ((False, exact), (True, quantised)):
        assert np.array_equal(run(switched, x, **{SWITCHES: np.full(3, on)}), run(wanted, x))


def test_one_switch_moves_one_product() -> None:
    x = normal(1, 4, 6, 6, seed=3)
    switched, alone = named(TEXT), named(TEXT)
    names = add_switches(switched.graph, RANGES)
    others = [n for n in names if n != names[1]]
    quantise(alone.graph, RANGES.keep(*others))
    assert np.array_equal(run(switched, x, **{SWITCHES: np.array([False, True, False])}), run(alone, x))


def test_kept_products_have_no_switch() -> None:
    assert len(add_switches(named(TEXT).graph, RANGES.keep("a"))) == 2


MATMULS = """g (float[5,4] x) => (float[5,3] y) {
    a = MatMul(x, u)   b = Add(a, p)   r = Relu(b)   y = MatMul(r, v)
}"""


def test_what_rounded_weights_add_is_taken_back_where_the_plan_does_so() -> None:
    constants = {"u": normal(4, 6, seed=7), "p": normal(6, seed=8), "v": normal(6, 3, seed=9)}
    means = {"x": tuple(np.full(4, 1e3).tolist()), "r": tuple(np.full(6, 1e3).tolist())}  # shifts that cannot be missed
    ranges = Ranges({"x": Range(-4, 4), "r": Range(0, 30)}, means=means)
    quantised, switched, plain = (parse(MATMULS, constants) for _ in range(3))
    for node, name in zip(switched.graph, "abcd", strict=True):
        node.name = name
    quantise(quantised.graph, ranges)
    quantise(plain.graph, Ranges(ranges.tensors))
    names = add_switches(switched.graph, ranges)
    x = normal(5, 4, seed=3)
    found, wanted = run(switched, x, **{SWITCHES: np.full(len(names), True)}), run(quantised, x)
    assert np.allclose(found, wanted, rtol=1e-4, atol=1e-4) and np.abs(wanted - run(plain, x)).max() > 1
