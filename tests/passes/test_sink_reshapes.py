"""sink_reshapes.py and transpose_to_reshape.py: views that stand in the way of fusion."""

from __future__ import annotations

import pytest

from burnish.passes import sink_reshapes
from tests.passes.models import apply, assert_same_answers, operators, parse, random_feeds

C = "<int64[2] flat = {2, 12}, int64[1] one = {1}, float half = {0.5}, float[1] h1 = {0.5}, float[1,1,1] h3 = {0.5}>"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("r = Reshape (x, flat) y = Relu (r)", ["Relu", "Reshape"]),
        ("r = Unsqueeze (x, one) y = Clip (r, half)", ["Clip", "Unsqueeze"]),
        ("r = Flatten (x) y = Mul (r, half)", ["Mul", "Flatten"]),
        ("r = Flatten (x) y = Mul (h1, r)", ["Mul", "Flatten"]),
        ("r = Flatten (x) s = Sub (r, h1) y = Sigmoid (s)", ["Sub", "Sigmoid", "Flatten"]),
    ],
)
def test_a_reshape_moves_behind_pointwise_work(body: str, expected: list[str]):
    model = parse(f"agraph (float[2,3,4] x) => (y) {C} {{ {body} }}")
    before = model.clone()
    assert apply(model, *sink_reshapes.RULES)[0] >= 1 and operators(model) == expected
    assert_same_answers(before, model, random_feeds(before))
    assert apply(model, *sink_reshapes.RULES)[0] == 0


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("[f] y = Relu (x)", "not a reshape"),
        ("r = Flatten (x) s = Neg (x) t = Flatten (s) [f] y = Add (r, t)", "no constant of one element"),
        ("r = Flatten (x) [f] y = Mul (r, h3)", "adds axes"),
        ("r = Flatten (x) [f] a = Relu (r) b = Softmax (r) y = Add (a, b)", "other users"),
    ],
)
def test_other_pointwise_work_is_left_alone(body: str, reason: str):
    model = parse(f"agraph (float[2,3,4] x) => (y) {C} {{ {body} }}")
    _, report = apply(model, *sink_reshapes.RULES)
    assert reason in report.why("SinkReshape", "f")[0].reason
