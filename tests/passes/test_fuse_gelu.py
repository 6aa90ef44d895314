"""fuse_gelu.py: GELU in the orders that exporters write."""

from __future__ import annotations

import math

import numpy as np
import pytest

from burnish.passes.fuse_gelu import FuseGelu
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import assert_same_answers, random_feeds

N = {
    "root": math.sqrt(2),
    "inverse": math.sqrt(0.5),
    "one": 1,
    "half": 0.5,
    "two": 2,
    "three": 3,
    "cube": 0.044715,
    "scale": math.sqrt(2 / math.pi),
}
CONSTANTS = {n: np.float32(v) for n, v in N.items()} | {"flat": np.full((1, 1, 1), 0.5, np.float32)}


def build_gelu(body: str) -> object:
    return build("float[2,9] x", body, **{n: v for n, v in CONSTANTS.items() if f"{n})" in body or f"({n}," in body})


ERF = "d = Div(x, root) e = Erf(d) g = Add(e, one) "
TANH = "p = Pow(x, three) q = Mul(p, cube) r = Add(x, q) s = Mul(r, scale) t = Tanh(s) g = Add(t, one) "
EXACT = {
    "BERT, ViT, ConvNeXt": ERF + "m = Mul(x, g) y = Mul(m, half)",
    "half first": ERF + "h = Mul(half, x) y = Mul(h, g)",
    "half on the gate": ERF + "h = Mul(g, half) y = Mul(x, h)",
    "halved by Div": ERF + "m = Mul(g, x) y = Div(m, two)",
    "inverse root": "d = Mul(inverse, x) e = Erf(d) g = Add(one, e) m = Mul(x, g) y = Mul(m, half)",
    "half inside": "d = Mul(x, inverse) e = Erf(d) f = Mul(e, half) g = Add(f, half) y = Mul(x, g)",
}
BY_TANH = {
    "transformers": TANH + "h = Mul(x, half) y = Mul(h, g)",
    "magika": "a = Mul(cube, x) b = Mul(x, a) c = Mul(x, b) r = Add(x, c) s = Mul(scale, r) t = Tanh(s) "
    "g = Add(one, t) h = Mul(half, g) y = Mul(x, h)",
    "x drawn out": "a = Mul(x, x) b = Mul(a, cube) c = Add(b, one) d = Mul(x, scale) s = Mul(d, c) t = Tanh(s) "
    "g = Add(t, one) h = Mul(x, g) y = Mul(h, half)",
}


@pytest.mark.parametrize("body", EXACT.values(), ids=EXACT.keys())
def test_the_exact_form(body):
    model = build_gelu(body)
    before = model.clone()
    assert assert_fires_once(model, FuseGelu()) == ["y = Gelu(x) approximate=none"]
    assert_same_answers(before, model, random_feeds(before))


@pytest.mark.parametrize("body", BY_TANH.values(), ids=BY_TANH.keys())
def test_the_form_by_tanh(body):
    model = build_gelu(body)
    before = model.clone()
    assert assert_fires_once(model, FuseGelu()) == ["y = Gelu(x) approximate=tanh"]
    assert_same_answers(before, model, random_feeds(before))


@pytest.mark.parametrize(
    "body, reason",
    [
        (ERF + "[n] y = Div(x, half)", "n is no product of x and a gate"),
        (ERF + "[n] y = Mul(x, e)", "no factor of n is 1 + erf or 1 + tanh of another"),
        (ERF + "[n] y = Mul(x, g)", "the factor of n is 1, not 0.5"),
        (ERF.replace("root", "two") + "m = Mul(x, g) [n] y = Mul(m, half)", "is 0.5 * x, not sqrt(1/2)"),
        ("z = Relu(x) " + ERF + "m = Mul(z, g) [n] y = Mul(m, half)", "is no multiple of z"),
        (
            TANH.replace("scale", "one") + "m = Mul(x, g) [n] y = Mul(m, half)",
            "is not sqrt(2/pi) * (x + 0.044715 * x**3)",
        ),
        (
            TANH.replace("cube", "one") + "m = Mul(x, g) [n] y = Mul(m, half)",
            "is not sqrt(2/pi) * (x + 0.044715 * x**3)",
        ),
        (TANH.replace("(x, q)", "(one, q)") + "m = Mul(x, g) [n] y = Mul(m, half)", "is not sqrt(2/pi) * (x"),
        (ERF.replace("one", "two") + "m = Mul(x, g) [n] y = Mul(m, half)", "no factor of n is 1 + erf or 1 + tanh"),
        (TANH.replace("Mul(r, scale)", "Mul(p, scale)") + "m = Mul(x, g) [n] y = Mul(m, half)", "is not sqrt(2/pi)"),
        ("s = Mul(x, scale) t = Tanh(s) g = Add(t, one) m = Mul(x, g) [n] y = Mul(m, half)", "is not sqrt(2/pi)"),
        (TANH.replace("Add(x, q)", "Add(q, one)") + "m = Mul(x, g) [n] y = Mul(m, half)", "is not sqrt(2/pi)"),
        (
            TANH.replace("r = Add(x, q)", "u = Add(x, q) r = Add(u, one)") + "m = Mul(x, g) [n] y = Mul(m, half)",
            "(2/pi)",
        ),
        (
            TANH.replace("s = Mul(r", "u = Mul(r, q) s = Mul(u") + "m = Mul(x, g) [n] y = Mul(m, half)",
            "is not sqrt(2/pi)",
        ),
        (ERF + "m = Mul(x, g) [n] y = Mul(m, flat)", "a number beside x has a higher rank than it"),
        (ERF + "m = Mul(x, g) [n] o = Mul(m, half) y = Add(o, d)", "Div result d has 1 other users"),
    ],
)
def test_it_declines(body, reason):
    assert reason in why(build_gelu(body), FuseGelu(), "n")
