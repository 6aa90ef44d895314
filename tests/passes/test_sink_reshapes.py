"""sink_reshapes.py and transpose_to_reshape.py: views that stand in the way of fusion."""

from __future__ import annotations

import pytest

from burnish.passes import sink_reshapes, transpose_to_reshape
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


@pytest.mark.parametrize(
    ("shape", "order", "fires"),
    [
        ((1, 5, 1), (1, 0, 2), True),
        ((1, 1, 7), (2, 0, 1), True),
        ((3, 1, 4), (1, 0, 2), True),
        ((1, 3, 4), (0, 2, 1), False),
    ],
)
def test_a_transpose_of_ones_is_a_reshape(shape: tuple[int, ...], order: tuple[int, ...], fires: bool):
    text = f"agraph (float[{','.join(map(str, shape))}] x) => (y) {{ [t] y = Transpose <perm = {list(order)}> (x) }}"
    model = parse(text)
    before = model.clone()
    changes, report = apply(model, *transpose_to_reshape.RULES)
    assert changes == int(fires) and operators(model) == ["Reshape" if fires else "Transpose"]
    if not fires:
        assert "changes the order" in report.why("TransposeToReshape", "t")[0].reason
    assert_same_answers(before, model, random_feeds(before))


def test_a_transpose_of_a_symbolic_shape_is_left_alone():
    model = parse("agraph (float[n,1] x) => (float[1,n] y) { [t] y = Transpose (x) }")
    changes, report = apply(model, *transpose_to_reshape.RULES)
    assert changes == 0 and "not known" in report.why("TransposeToReshape", "t")[0].reason
