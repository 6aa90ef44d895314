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
