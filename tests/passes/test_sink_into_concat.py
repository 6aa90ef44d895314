"""sink_into_concat.py: a constant meets each part of a Concat by itself."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.sink_into_concat import SinkIntoConcat
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import assert_same_answers, random_feeds

X = "float[2,3,4] x"
FIRES = {
    "positions": ("h = Concat <axis=1> (t, x) y = Add(h, p)", {"t": (2, 1, 4), "p": (1, 4, 4)}),
    "on the left": ("h = Concat <axis=1> (t, x) y = Sub(p, h)", {"t": (2, 1, 4), "p": (4, 4)}),
    "the same for all": ("h = Concat <axis=-2> (x, t) y = Mul(h, p)", {"t": (2, 2, 4), "p": (4,)}),
    "repeated token": (
        "e = Expand(t, s) h = Concat <axis=1> (e, x) y = Add(h, p)",
        {"t": (1, 1, 4), "p": (1, 4, 4), "s": np.array([2, 1, 4])},
    ),
}


@pytest.mark.parametrize("body, weights", FIRES.values(), ids=FIRES.keys())
def test_each_part_gets_its_own(body, weights):
    model = build(X, body, **weights)
    before = model.clone()
    lines = assert_fires_once(model, SinkIntoConcat())
    assert "Concat" in lines[-1]
    assert_same_answers(before, model, random_feeds(before))


REFUSED = {
    "two parts to compute": (
        "z = Relu(x) h = Concat <axis=1> (z, x) [m] y = Add(h, p)", {"p": (1, 6, 4)}, "not all parts of",
    ),
    "used twice": ("h = Concat <axis=1> (t, x) [m] y = Add(h, p) z = Relu(h)", {"t": (2, 1, 4), "p": (4,)}, "2 users"),
    "grows": ("h = Concat <axis=1> (t, x) [m] y = Add(h, p)", {"t": (2, 1, 4), "p": (5, 1, 1, 1)}, "changes the shape"),
    "no constant": ("h = Concat <axis=1> (t, x) [m] y = Add(h, h)", {"t": (2, 1, 4)}, "no Concat with a constant"),
}  # fmt: skip


@pytest.mark.parametrize("body, weights, reason", REFUSED.values(), ids=REFUSED.keys())
def test_otherwise_it_is_left_alone(body, weights, reason):
    assert reason in why(build(X, body, **weights), SinkIntoConcat(), "m")
