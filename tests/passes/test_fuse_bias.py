"""fuse_bias.py: a constant added after a linear node becomes its bias."""

from __future__ import annotations

import pytest

from burnish.passes.fuse_bias import FuseBias
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import assert_same_answers, random_feeds

IMAGE = "float[1,3,4,4] x"
FIRES = {
    "conv": (
        IMAGE,
        "h = Conv(x, w) y = Add(h, t)",
        {"w": (2, 3, 1, 1), "t": (2, 1, 1)},
        "y = Conv(x, w[2,3,1,1], bias[2])",
    ),
    "conv with bias": (
        IMAGE,
        "h = Conv <pads=[1,1,1,1]> (x, w, b) y = Add(t, h)",
        {"w": (2, 3, 3, 3), "b": (2,), "t": (1, 2, 1, 1)},
        "y = Conv(x, w[2,3,3,3], bias[2]) pads=(1,1,1,1)",
    ),
    "deconvolution": (
        IMAGE,
        "h = ConvTranspose(x, w) y = Add(h, t)",
        {"w": (3, 2, 2, 2), "t": (2, 1, 1)},
        "y = ConvTranspose(x, w[3,2,2,2], bias[2])",
    ),
    "gemm with beta": (
        "float[3,5] x",
        "h = Gemm <beta=0.5> (x, w, b) y = Add(h, t)",
        {"w": (5, 2), "b": (2,), "t": (2,)},
        "y = Gemm(x, w[5,2], bias[2])",
    ),
    "matmul": (
        "float[3,5] x",
        "h = MatMul(x, w) y = Add(t, h)",
        {"w": (5, 2), "t": (1, 2)},
        "y = Gemm(x, w[5,2], bias[2])",
    ),
}


@pytest.mark.parametrize("inputs, body, weights, golden", FIRES.values(), ids=FIRES.keys())
def test_the_constant_becomes_the_bias(inputs, body, weights, golden):
    model = build(inputs, body, **weights)
    before = model.clone()
    assert assert_fires_once(model, FuseBias()) == [golden]
    assert_same_answers(before, model, random_feeds(before))


REFUSED = {
    "a residual": ("float[2] x, float[2] z", "[a] y = Add(x, z)", {}, "a meets nothing that has weights"),
    "rank 3": (
        "float[2,3,5] x",
        "h = MatMul(x, w) [a] y = Add(h, t)",
        {"w": (5, 2), "t": (2,)},
        "h has rank 3, not 2: its bias is added in the epilogue",
    ),
    "along the rows": (
        "float[3,5] x",
        "h = MatMul(x, w) [a] y = Add(h, t)",
        {"w": (5, 2), "t": (3, 2)},
        "t of shape [3, 2] varies along more than the 2 channels",
    ),
    "variable": (
        IMAGE + ", float[2,1,1] t",
        "h = Conv(x, w) [a] y = Add(h, t)",
        {"w": (2, 3, 1, 1)},
        "t is not a float constant",
    ),
    "used twice": (
        IMAGE,
        "h = Conv(x, w) [a] k = Add(h, t) y = Add(h, k)",
        {"w": (2, 3, 1, 1), "t": (2, 1, 1)},
        "Conv result h has 2 users or is an output of the graph",
    ),
}


@pytest.mark.parametrize("inputs, body, weights, reason", REFUSED.values(), ids=REFUSED.keys())
def test_it_declines(inputs, body, weights, reason):
    assert why(build(inputs, body, **weights), FuseBias(), "a") == reason
