"""sink_constant.py: a constant behind views of a product moves before them."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.sink_constant import SinkConstant
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import assert_same_answers, random_feeds

X = "float[2,3,4,6] x"
FLAT = {"w": (5, 3, 1, 1), "s": np.array([2, 5, 24])}
CONV = "h = Conv(x, w) r = Reshape(h, s)"
FIRES = {
    "positions of patches": (
        f"{CONV} t = Transpose <perm=[0,2,1]> (r) y = Add(t, p)",
        {**FLAT, "p": (1, 24, 5)},
        [
            "h = Conv(x, w[5,3,1,1])",
            "_ = Add(h, moved[1,5,4,6])",
            "_ = Reshape(_, s[3])",
            "y = Transpose(_) perm=(0,2,1)",
        ],
    ),
    "one a channel": (f"{CONV} y = Sub(c, r)", {**FLAT, "c": (5, 1)}, None),
    "along what is merged": (f"{CONV} y = Mul(r, c)", {**FLAT, "c": (24,)}, None),
    "split axes": (
        "h = MatMul(x, w) r = Reshape(h, s) y = Div(r, c)",
        {"w": (6, 8), "s": np.array([2, 3, 4, 2, 4]), "c": (2, 1)},
        None,
    ),
}


@pytest.mark.parametrize("body, weights, expected", FIRES.values(), ids=FIRES.keys())
def test_the_constant_meets_the_product(body, weights, expected):
    model = build(X, body, **weights)
    before = model.clone()
    lines = assert_fires_once(model, SinkConstant())
    assert "= Reshape" in lines[2] and (expected is None or lines == expected)
    assert_same_answers(before, model, random_feeds(before))


REFUSED = {
    "no product": (
        "r = Reshape(x, s) [m] y = Add(r, c)",
        {"s": np.array([2, 3, 24]), "c": (24,)},
        "no view of a product",
    ),
    "one element": (f"{CONV} [m] y = Add(r, c)", {**FLAT, "c": (1,)}, "has one element"),
    "used twice": (f"{CONV} [m] y = Add(r, c) z = Relu(r)", {**FLAT, "c": (24,)}, "2 users"),
    "no view": ("h = Conv(x, w) [m] y = Add(h, c)", {"w": (5, 3, 1, 1), "c": (6,)}, "no view with a constant"),
}


@pytest.mark.parametrize("body, weights, reason", REFUSED.values(), ids=REFUSED.keys())
def test_otherwise_it_stays(body, weights, reason):
    assert reason in why(build(X, body, **weights), SinkConstant(), "m")


def test_axes_of_unknown_size_do_not_mix():
    body = f"{CONV} [m] y = Add(r, c)"
    model = build("float[2,3,h,w0] x", body, w=(5, 3, 1, 1), s=np.array([2, 5, -1]), c=np.ones(24, np.float32))
    assert "mixes axes" in why(model, SinkConstant(), "m")
