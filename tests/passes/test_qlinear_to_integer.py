"""qlinear_to_integer.py: the quantised products of ONNX, spelled out, give ONNX Runtime's codes bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.pipeline import optimize
from burnish.passes.qlinear_to_integer import QLinearToInteger
from burnish.passes.rewrite.context import PassContext
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import operators, run_ort

CONV = "y = QLinearConv <pads=[1,1,0,1]> (x, sx, zx, w, sw, zw, sy, zy, b)"
IMAGE, ROWS = "uint8[1,2,6,5] x", "uint8[2,3,4] x"
random = np.random.default_rng(0)
F, U, I = np.float32, np.uint8, np.int8
WEIGHT = random.integers(-128, 128, (3, 2, 3, 3)).astype(I)
OF_CONV = {
    "sx": F(0.037), "zx": U(113), "w": WEIGHT, "sw": F([0.011, 0.023, 0.031]), "zw": I([0, 0, 0]), "sy": F(1.7),
    "zy": U(90), "b": np.int32([500, -700, 90]),
}  # fmt: skip
OF_MATMUL = {
    "sx": F(0.037), "zx": U(113), "w": random.integers(0, 256, (4, 5)).astype(U), "sw": F(random.random(5)),
    "zw": U(random.integers(0, 256, 5)), "sy": F(31.0), "zy": U([7]),
}  # fmt: skip
MATMUL = "y = QLinearMatMul(x, sx, zx, w, sw, zw, sy, zy)"


def same_codes(inputs: str, body: str, **constants: object) -> list[str]:
    model = build(inputs, body, **constants)
    before = model.clone()
    found = assert_fires_once(model, QLinearToInteger())
    shape = [int(n) for n in before.graph.inputs[0].shape]
    for seed in range(3):
        feeds = {"x": np.random.default_rng(seed).integers(0, 256, shape).astype(U)}
        for ours, theirs in zip(run_ort(model, feeds), run_ort(before, feeds), strict=True):
            assert len(np.unique(theirs)) > 10
            np.testing.assert_array_equal(ours, theirs)
    return found


def test_a_convolution_with_a_scale_per_channel_and_a_bias():
    found = same_codes(IMAGE, CONV, **OF_CONV)
    assert [line.partition(" = ")[2].partition("(")[0] for line in found] == [
        "ConvInteger", "Add", "Cast", "Mul", "QuantizeLinear",
    ]  # fmt: skip


def test_a_convolution_with_one_scale_and_no_bias():
    plain = {**{k: v for k, v in OF_CONV.items() if k != "b"}, "sw": F(0.011), "zw": I(0)}
    assert len(same_codes(IMAGE, CONV.replace(", b)", ")"), **plain)) == 4


def test_a_matrix_product_with_a_scale_per_column():
    assert len(same_codes(ROWS, MATMUL, **OF_MATMUL)) == 4


REFUSED = {
    "a computed bias": (f"{IMAGE}, int32[3] b", CONV, {k: v for k, v in OF_CONV.items() if k != "b"}, "is computed"),
    "a computed scale": (
        f"{IMAGE}, float sx", CONV, {k: v for k, v in OF_CONV.items() if k != "sx"}, "the scale of its x is computed",
    ),
    "a scale for each row of the result": (ROWS, MATMUL, {**OF_MATMUL, "sy": F([1, 2, 3])}, "a scale for each row"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_it_leaves_alone(case: str):
    inputs, body, constants, reason = REFUSED[case]
    model = build(inputs, body, **constants)
    (node,) = model.graph
    node.name = "q"
    assert reason in why(model, QLinearToInteger(), "q")


def test_only_targets_with_integer_products_get_it():
    for has_integers in (False, True):
        model = build(IMAGE, CONV, **OF_CONV)
        optimize(model, PassContext(integer_products=has_integers))
        assert ("ConvInteger" in operators(model)) is has_integers
