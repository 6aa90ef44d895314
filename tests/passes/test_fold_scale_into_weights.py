"""fold_scale_into_weights.py: a scale after a linear node goes into its weights."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.fold_scale_into_weights import FoldScaleIntoWeights
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import assert_same_answers, random_feeds

IMAGE = "float[1,3,4,4] x"
FIRES = {
    "conv": (IMAGE, "h = Conv(x, w, b) y = Mul(h, s)", {"w": (2, 3, 1, 1), "b": (2,), "s": (2, 1, 1)}),
    "conv, scalar left": (IMAGE, "h = Conv(x, w) y = Mul(s, h)", {"w": (2, 3, 1, 1), "s": np.float32(0.3)}),
    "conv, divided": (IMAGE, "h = Conv(x, w, b) y = Div(h, s)", {"w": (2, 3, 1, 1), "b": (2,), "s": (1, 2, 1, 1)}),
    "grouped deconvolution": (
        IMAGE.replace("3", "4"),
        "h = ConvTranspose <group=2> (x, w) y = Mul(h, s)",
        {"w": (4, 3, 2, 2), "s": (6, 1, 1)},
    ),
    "gemm": ("float[3,5] x", "h = Gemm <transB=1> (x, w, b) y = Mul(h, s)", {"w": (2, 5), "b": (2,), "s": (2,)}),
    "matmul": ("float[2,3,5] x", "h = MatMul(x, w) y = Mul(h, s)", {"w": (5, 2), "s": (2,)}),
}


@pytest.mark.parametrize("inputs, body, weights", FIRES.values(), ids=FIRES.keys())
def test_the_scale_goes_into_the_weights_and_the_bias(inputs, body, weights):
    model = build(inputs, body, **weights)
    before = model.clone()
    (line,) = assert_fires_once(model, FoldScaleIntoWeights())
    assert "weight[" in line and ("b" not in weights or "bias[" in line)
    assert_same_answers(before, model, random_feeds(before))


def test_a_layer_scale_passes_the_added_bias_of_a_matmul():
    body = "h = MatMul(x, w) k = Add(b, h) y = Mul(s, k)"
    model = build("float[1,2,2,3] x", body, w=(3, 4), b=(4,), s=(4,))
    before = model.clone()
    lines = assert_fires_once(model, FoldScaleIntoWeights())
    assert [line.split(" = ")[1] for line in lines] == ["MatMul(x, weight[3,4])", "Add(_, bias[4])"]
    assert_same_answers(before, model, random_feeds(before))


REFUSED = {
    "scales nothing": ("float[2] x", "[m] y = Mul(x, s)", {"s": (2,)}, "m meets nothing that has weights"),
    "number divided": (
        "float[3,5] x",
        "h = MatMul(x, w) [m] y = Div(s, h)",
        {"w": (5, 2), "s": (2,)},
        "m meets nothing that has weights",
    ),
    "along the pixels": (
        IMAGE,
        "h = Conv(x, w) [m] y = Mul(h, s)",
        {"w": (2, 3, 1, 1), "s": (4,)},
        "s of shape [4] varies along more than the 2 channels",
    ),
    "a higher rank": (
        "float[3,5] x",
        "h = Gemm(x, w) [m] y = Mul(h, s)",
        {"w": (5, 2), "s": (1, 1, 2)},
        "s has rank 3, the result of gemm 2",
    ),
    "by zero": (
        "float[3,5] x",
        "h = MatMul(x, w) [m] y = Div(h, s)",
        {"w": (5, 2), "s": np.float32(0)},
        "the scale of m is not finite",
    ),
    "variable": (
        "float[3,5] x, float[2] t",
        "h = MatMul(x, w) [m] y = Mul(h, t)",
        {"w": (5, 2)},
        "t is not a float constant",
    ),
    "not a bias": (
        "float[2,3,5] x",
        "h = MatMul(x, w) k = Add(h, b) [m] y = Mul(k, s)",
        {"w": (5, 2), "b": (3, 2), "s": (2,)},
        "b of shape [3, 2] varies along more than the 2 channels",
    ),
    "bias used twice": (
        "float[2,3,5] x",
        "h = MatMul(x, w) k = Add(h, b) [m] l = Mul(k, s) y = Add(k, l)",
        {"w": (5, 2), "b": (2,), "s": (2,)},
        "Add result k has 2 users or is an output of the graph",
    ),
    "too large": (
        "float[3,5] x",
        "h = MatMul(x, w) [m] y = Mul(h, s)",
        {"w": np.full((5, 2), 1e38, np.float32), "s": np.float32(10)},
        "would be 1e+39, too large for float32",
    ),
}


@pytest.mark.parametrize("inputs, body, weights, reason", REFUSED.values(), ids=REFUSED.keys())
def test_it_declines(inputs, body, weights, reason):
    model = build(inputs, body.replace("h = Gemm", "[gemm] h = Gemm"), **weights)
    assert reason in why(model, FoldScaleIntoWeights(), "m")
