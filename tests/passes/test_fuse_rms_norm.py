"""fuse_rms_norm.py: RMSNorm in the spellings of exporters."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.fuse_layer_norm import FuseLayerNorm
from burnish.passes.fuse_rms_norm import FuseRmsNorm
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import assert_same_answers, random_feeds

C = {
    "last": np.array([-1]),
    "one": np.array([1]),
    "eps": np.float32(1e-5),
    "two": np.float32(2),
    "unit": np.float32(1),
    "eighth": np.float32(0.125),
}


def build_norm(body: str, inputs: str = "float[2,S,8] x", **weights: object) -> object:
    return build(inputs, body, **weights, **{n: v for n, v in C.items() if f"{n})" in body or f"({n}," in body})


MEAN = "p = Pow(x, two) v = ReduceMean(p, last) e = Add(v, eps) s = Sqrt(e) "
FIRES = {
    "Llama (stories260k)": MEAN + "r = Reciprocal(s) n = Mul(x, r) y = Mul(n, w)",
    "T5, weight left": MEAN + "r = Div(unit, s) n = Mul(x, r) y = Mul(w, n)",
    "divided": MEAN + "n = Div(x, s) y = Mul(n, w)",
    "weight first": MEAN + "r = Reciprocal(s) q = Mul(r, w) y = Mul(q, x)",
    "a sum over 8": MEAN.replace("v = ReduceMean(p, last)", "t = ReduceSum(p, last) v = Mul(t, eighth)")
    + "n = Div(x, s) y = Mul(n, w)",
}


@pytest.mark.parametrize("body", FIRES.values(), ids=FIRES.keys())
def test_the_spellings(body):
    model = build_norm(body, w=(8,))
    before = model.clone()
    golden = ["y = RMSNormalization(x, scale[8]) axis=-1 epsilon=1e-05"]
    assert assert_fires_once(model, FuseLayerNorm(), FuseRmsNorm()) == golden
    assert_same_answers(before, model, random_feeds(before))


def test_a_bias_after_it_stays_an_add():
    model = build_norm(MEAN + "n = Div(x, s) k = Mul(n, w) y = Add(k, b)", w=(8,), b=(8,))
    before = model.clone()
    lines = assert_fires_once(model, FuseRmsNorm())
    assert [line.split(" = ")[1].split("(")[0] for line in lines] == ["RMSNormalization", "Add"]
    assert_same_answers(before, model, random_feeds(before))


def test_over_the_channels_it_moves_them_last():
    model = build_norm((MEAN + "n = Div(x, s) y = Mul(n, w)").replace("last", "one"), "float[2,8,5] x", w=(8, 1))
    before = model.clone()
    lines = assert_fires_once(model, FuseRmsNorm())
    assert [line.split(" = ")[1].split("(")[0] for line in lines] == ["Transpose", "RMSNormalization", "Transpose"]
    assert_same_answers(before, model, random_feeds(before))


@pytest.mark.parametrize(
    "body, reason",
    [
        ("[n] y = Mul(x, x)", "n does not divide by a square root"),
        ("a = Relu(x) b = Add(a, x) s = Sqrt(b) [n] y = Div(x, s)", "is not of a mean of squares plus epsilon"),
        (MEAN.replace("Sqrt(e)", "Abs(e)") + "[n] y = Div(x, s)", "n does not divide by a square root"),
        (MEAN + "[n] n = Div(x, s) k = Mul(n, x) y = Add(k, v)", "ReduceMean result v has 1 other users"),
    ],
)
def test_it_declines(body, reason):
    assert reason in why(build_norm(body), FuseRmsNorm(), "n")
