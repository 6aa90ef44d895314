"""fuse_softmax.py: exp over its sum."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.canonicalize_clip import CanonicalizeClip, MergeClips
from burnish.passes.fuse_softmax import FuseSoftmax
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import assert_same_answers, random_feeds

C = {
    "last": np.array([-1]),
    "one": np.array([1]),
    "two": np.array([0, 1]),
    "back": np.array([2, 3, 1]),
    "lowest": np.float32("-inf"),
    "half": np.float32(0.5),
}


def build_softmax(body: str) -> object:
    return build("float[2,3,5] x", body, **{n: v for n, v in C.items() if f"{n})" in body or f"({n}," in body})


FIRES = {
    "with the maximum": (
        "m = ReduceMax(x, last) d = Sub(x, m) e = Exp(d) s = ReduceSum(e, last) y = Div(e, s)",
        "y = Softmax(x) axis=-1",
    ),
    "without it": ("e = Exp(x) s = ReduceSum(e, one) y = Div(e, s)", "y = Softmax(x) axis=-2"),
    "by the reciprocal": ("e = Exp(x) s = ReduceSum(e, one) r = Reciprocal(s) y = Mul(r, e)", "y = Softmax(x) axis=-2"),
    "magika": (
        "m = ReduceMax <keepdims=0> (x, last) l = Max(lowest, m) r = Reshape(l, back) d = Sub(x, r) e = Exp(d) "
        "s = ReduceSum <keepdims=0> (e, last) t = Reshape(s, back) y = Div(e, t)",
        "y = Softmax(x) axis=-1",
    ),
    "an argument with another user stays": (
        "m = ReduceMax(x, last) d = Sub(x, m) e = Exp(d) s = ReduceSum(e, last) q = Div(e, s) y = Add(q, d)",
        "y = Add(q, d)",
    ),
    "a plain difference stays": (
        "d = Add(x, x) e = Exp(d) s = ReduceSum(e, last) y = Div(e, s)",
        "y = Softmax(d) axis=-1",
    ),
    "another maximum stays": (
        "m = ReduceMax(x, one) d = Sub(x, m) e = Exp(d) s = ReduceSum(e, last) y = Div(e, s)",
        "y = Softmax(d) axis=-1",
    ),
}


@pytest.mark.parametrize("body, golden", FIRES.values(), ids=FIRES.keys())
def test_it_fires(body, golden):
    model = build_softmax(body)
    before = model.clone()
    assert assert_fires_once(model, CanonicalizeClip(), MergeClips(), FuseSoftmax())[-1] == golden
    assert_same_answers(before, model, random_feeds(before))


@pytest.mark.parametrize(
    "body, reason",
    [
        ("[n] y = Mul(x, x)", "n is no quotient of two values"),
        ("e = Exp(x) s = ReduceSum(e, last) h = Div(e, half) [n] y = Div(h, s)", "n is no quotient of two values"),
        ("e = Exp(x) s = ReduceMean(e, last) [n] y = Div(e, s)", "n does not divide an Exp by its sum"),
        ("e = Exp(x) s = ReduceSum(x, last) [n] y = Div(e, s)", "n does not divide an Exp by its sum"),
        ("e = Exp(x) s = ReduceSum(e, two) [n] y = Div(e, s)", "s sums over axes (0, 1), not one"),
        ("e = Exp(x) s = ReduceSum(e, last) [n] d = Div(e, s) y = Add(d, e)", "Exp result e has 1 other users"),
    ],
)
def test_it_declines(body, reason):
    assert reason in why(build_softmax(body), FuseSoftmax(), "n")
