"""fuse_hard_swish.py: the gates of mobile networks."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.fuse_hard_swish import FuseHardSigmoid, FuseHardSwish
from burnish.passes.rewrite.rule import Rule
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import assert_same_answers, parse, random_feeds

N = {n: np.float32(v) for n, v in {"zero": 0, "one": 1, "three": 3, "six": 6, "sixth": 1 / 6, "half": 0.5}.items()}
N["flat"] = np.full((1, 1, 1), 3, np.float32)


def build_gate(body: str) -> object:
    return build("float[2,9] x", body, **{n: v for n, v in N.items() if f"{n})" in body or f"{n}," in body})


SWISH = [
    "a = Add(x, three) c = Clip(a, zero, six) m = Mul(x, c) y = Div(m, six)",
    "a = Add(three, x) c = Clip(a, zero, six) d = Div(c, six) y = Mul(d, x)",
    "a = Add(x, three) c = Clip(a, zero, six) m = Mul(c, sixth) y = Mul(x, m)",
    "h = HardSigmoid <alpha=0.16666667, beta=0.5> (x) y = Mul(x, h)",
]


@pytest.mark.parametrize("body", SWISH)
def test_hard_swish_in_every_spelling(body):
    model = build_gate(body)
    before = model.clone()
    assert assert_fires_once(model, FuseHardSwish(), FuseHardSigmoid()) == ["y = HardSwish(x)"]
    assert_same_answers(before, model, random_feeds(before))


@pytest.mark.parametrize(
    "body, golden",
    [
        ("a = Add(x, three) c = Clip(a, zero, six) y = Div(c, six)", "y = HardSigmoid(x) alpha=0.1667 beta=0.5"),
        ("m = Mul(x, sixth) a = Add(m, half) y = Clip(a, zero, one)", "y = HardSigmoid(x) alpha=0.1667 beta=0.5"),
    ],
)
def test_hard_sigmoid_in_every_spelling(body, golden):
    model = build_gate(body)
    before = model.clone()
    assert assert_fires_once(model, FuseHardSigmoid()) == [golden]
    assert_same_answers(before, model, random_feeds(before))


CLIP = "a = Add(x, three) [c] c = Clip(a, zero, six) "


@pytest.mark.parametrize(
    "rule, body, reason",
    [
        (FuseHardSigmoid(), "[n] y = Mul(x, half)", "n is no multiple of a Clip"),
        (FuseHardSigmoid(), CLIP + "[n] d = Div(c, six) y = Add(d, c)", "Clip result c has other users"),
        (
            FuseHardSigmoid(),
            "a = Add(x, three) [c] c = Clip(a, one, six) [n] y = Div(c, six)",
            "c does not clip to 0 and",
        ),
        (FuseHardSigmoid(), CLIP + "[n] y = Div(c, three)", "c reaches 2, not 1"),
        (
            FuseHardSigmoid(),
            "a = Add(x, x) [c] c = Clip(a, zero, six) [n] y = Div(c, six)",
            "c does not clip s * x + b",
        ),
        (FuseHardSigmoid(), "[c] c = Clip(x, zero, six) [n] y = Div(c, six)", "c clips x without an offset"),
        (
            FuseHardSigmoid(),
            "a = Add(x, flat) [c] c = Clip(a, zero, six) [n] y = Div(c, six)",
            "has a higher rank than it",
        ),
        (FuseHardSwish(), "[n] y = Div(x, six)", "n is no product of x and a gate"),
        (FuseHardSwish(), "r = Relu(x) [n] y = Mul(x, r)", "no factor of n is a HardSigmoid of the other"),
        (FuseHardSwish(), CLIP + "[n] y = Mul(x, c)", "no factor of n is a HardSigmoid of the other"),
        (
            FuseHardSwish(),
            "h = HardSigmoid(x) [n] y = Mul(x, h)",
            "the gate of n is HardSigmoid(0.2, 0.5), not (1/6, 1/2)",
        ),
        (
            FuseHardSwish(),
            "h = HardSigmoid <alpha=0.16666667> (x) [n] m = Mul(x, h) y = Add(h, m)",
            "the gate h has other users",
        ),
    ],
)
def test_it_declines(rule: Rule, body, reason):
    assert reason in why(build_gate(body), rule, "n")


def test_f64_is_left_alone_where_f32_attributes_would_round():
    numbers = {"three": np.float64(3), "zero": np.float64(0), "six": np.float64(6)}
    model = build("double[9] x", CLIP + "[n] y = Div(c, six)", dtype="double", **numbers)
    assert "would be rounded to f32" in why(model, FuseHardSigmoid(), "n")
    model = build("double[9] x", "h = HardSigmoid <alpha=0.16666667> (x) [n] y = Mul(x, h)", dtype="double")
    assert "not (1/6, 1/2)" in why(model, FuseHardSwish(), "n")


@pytest.mark.parametrize("dtype", ["int64", "int32", "uint8", "int8"])
def test_a_clip_of_integers_from_zero_is_no_gate(dtype: str):
    bounds = f"<{dtype} low = {{0}}, {dtype} high = {{9}}>"
    model = parse(f"agraph ({dtype}[3] x) => ({dtype}[3] y) {bounds} {{ [c] y = Clip(x, low, high) }}")
    assert why(model, FuseHardSigmoid(), "c") == "c is not on floats"
