"""drop_repeats.py: what a pointwise node broadcasts anyway is not repeated first."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.drop_repeats import DropRepeat
from tests.passes.golden import assert_fires_once, build, golden, why
from tests.passes.models import apply, assert_same_answers, random_feeds

X = "float[2,3,4] x"
ROW = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
THREES = np.full((2, 3), 3)
FIRES = {
    "equal rows": ("y = Add(x, c)", {"c": np.repeat(ROW, 2, 0)}, ["y = Add(x, once[1,3,4])"]),
    "on the left": ("y = Sub(c, x)", {"c": np.repeat(ROW, 2, 0)}, ["y = Sub(once[1,3,4], x)"]),
    "along two axes": ("y = Mul(x, c)", {"c": np.tile(ROW[:, :1], (2, 3, 1))}, ["y = Mul(x, once[1,1,4])"]),
    "equal NaNs": (
        "y = Add(x, c)",
        {"c": np.full((2, 3, 4), np.nan, np.float32)},
        ["y = Add(x, once[1,1,4])"],
    ),
    "a table's row": (
        "g = Gather(t, i) y = Add(x, g)",
        {"t": (5, 4), "i": THREES},
        ["_ = Gather(t[5,4], once[1,3])", "y = Add(x, _)"],
    ),
    "an index among a table's axes": (
        "g = Gather <axis=-1> (t, i) y = Div(g, x)",
        {"t": (2, 5), "i": np.array([[0, 4, 2, 1]] * 3)},
        ["_ = Gather(t[2,5], once[1,4]) axis=-1", "y = Div(_, x)"],
    ),
    "an index that is expanded": (
        "i = Expand(o, s) g = Gather(t, i) y = Add(g, x)",
        {"t": (5, 4), "o": np.array([[0, 4, 2]]), "s": np.array([2, 1])},
        ["_ = Gather(t[5,4], once[1,3])", "y = Add(_, x)"],
    ),
    "an index that gets axes": (
        "i = Expand(o, s) g = Gather <axis=1> (t, i) y = Add(g, x)",
        {"t": (2, 5), "o": np.array([0, 4, 2, 1]), "s": np.array([3, 4])},
        ["_ = Gather(t[2,5], once[1,4]) axis=1", "y = Add(_, x)"],
    ),
}


@pytest.mark.parametrize("body, weights, expected", FIRES.values(), ids=FIRES.keys())
def test_one_turn_is_left_of_a_repeat(body, weights, expected):
    model = build(X, body, **weights)
    before = model.clone()
    assert assert_fires_once(model, DropRepeat()) == expected
    assert_same_answers(before, model, random_feeds(before))


REFUSED = {
    "other rows": ("[m] y = Add(x, c)", {"c": (2, 3, 4)}, "none of its operands repeats"),
    "one negative zero": ("[m] y = Div(x, c)", {"c": np.array([[0.0] * 4, [0.0, -0.0, 0.0, 0.0]])}, "none of its"),
    "a single row": ("[m] y = Add(x, c)", {"c": np.ones(4)}, "none of its operands repeats"),
    "it makes the shape": ("[m] y = Add(c, n)", {"c": np.repeat(ROW, 2, 0), "n": (3, 4)}, "no operand but c has"),
    "other places": ("g = Gather(t, i) [m] y = Add(x, g)", {"t": (5, 4), "i": np.arange(6).reshape(2, 3) % 5}, "none"),
    "read twice": ("g = Gather(t, i) [m] y = Add(x, g) z = Relu(g)", {"t": (5, 4), "i": THREES}, "g has 2 users"),
}


@pytest.mark.parametrize("body, weights, reason", REFUSED.values(), ids=REFUSED.keys())
def test_otherwise_it_stays(body, weights, reason):
    assert reason in why(build(X, body, **weights), DropRepeat(), "m")


def test_a_table_s_row_joins_a_batch_of_any_size():
    body = "n = Shape <start=0, end=1> (x) s = Concat <axis=0> (n, l) i = Expand(o, s) g = Gather(t, i) y = Add(x, g)"
    model = build("float[batch,3,4] x", body, t=(5, 4), l=np.array([3]), o=np.array([[1, 1, 1]]))
    index = next(v for n in model.graph for v in n.outputs if v.name == "i")
    assert str(index.shape) == "[batch,3]"
    before = model.clone()
    assert apply(model, DropRepeat())[0] == 1
    assert golden(model)[-2:] == ["_ = Gather(t[5,4], once[1,3])", "y = Add(x, _)"]
    assert_same_answers(before, model, random_feeds(before, symbols={"batch": 5}))
