"""fuse_silu.py: x * sigmoid(alpha * x).

The reference evaluator answers: ONNX Runtime 1.32 has Swish in opset 24 only.
"""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.fuse_silu import FuseSilu
from tests.passes.golden import assert_fires_once, assert_same_reference, build, why
from tests.passes.models import random_feeds

C = {"c": np.float32(1.702), "flat": np.ones((1, 1, 1), np.float32)}


def build_gate(body: str) -> object:
    return build("float[2,9] x", body, **{n: v for n, v in C.items() if f"{n})" in body})


@pytest.mark.parametrize(
    "body, golden",
    [
        ("s = Sigmoid(x) y = Mul(x, s)", "y = Swish(x)"),
        ("s = Sigmoid(x) y = Mul(s, x)", "y = Swish(x)"),
        ("m = Mul(x, c) s = Sigmoid(m) y = Mul(x, s)", "y = Swish(x) alpha=1.702"),
    ],
)
def test_it_fires(body, golden):
    model = build_gate(body)
    before = model.clone()
    assert assert_fires_once(model, FuseSilu()) == [golden]
    assert_same_reference(before, model, random_feeds(before))


@pytest.mark.parametrize(
    "body, reason",
    [
        ("r = Relu(x) s = Sigmoid(r) [n] y = Mul(x, s)", "n does not multiply a value with a sigmoid of it"),
        ("s = Sigmoid(x) [n] m = Mul(x, s) y = Add(m, s)", "Sigmoid result s has 1 other users"),
        ("m = Mul(x, flat) s = Sigmoid(m) [n] y = Mul(x, s)", "a number beside x has a higher rank than it"),
    ],
)
def test_it_declines(body, reason):
    assert reason in why(build_gate(body), FuseSilu(), "n")


def test_an_alpha_that_f32_would_round_is_left_alone_in_f64():
    body = "m = Mul(x, c) s = Sigmoid(m) [n] y = Mul(x, s)"
    model = build("double[9] x", body, dtype="double", c=np.float64(1.702))
    assert "would be rounded to f32" in why(model, FuseSilu(), "n")
