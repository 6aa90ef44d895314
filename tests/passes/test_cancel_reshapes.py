"""cancel_reshapes.py: a reshape of a reshape is one reshape."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from burnish.passes.cancel_reshapes import RULES
from tests.passes.models import apply, assert_same_answers, operators, parse, random_feeds

S = """<int64[2] a = {6, 4}, int64[3] b = {2, 4, 3}, int64[1] zero = {0}, int64[3] same = {2, 3, 4},
    int64[2] copied = {0, -1}>"""
CASES = {
    "two_reshapes": ("h = Reshape (x, a) y = Reshape (h, b)", ["Reshape"]),
    "back_again": ("h = Reshape (x, a) u = Reshape (h, same) y = Relu (u)", ["Relu"]),
    "flatten_reshape": ("h = Flatten (x) y = Reshape (h, b)", ["Reshape"]),
    "unsqueeze_squeeze": ("h = Unsqueeze (x, zero) u = Squeeze (h, zero) y = Relu (u)", ["Relu"]),
    "unsqueeze_flatten": ("h = Unsqueeze (x, zero) y = Flatten <axis = 2> (h)", ["Reshape"]),
    "copied_dimension": ("h = Reshape (x, a) y = Reshape (h, copied)", ["Reshape"]),
}


@pytest.mark.parametrize("case", CASES)
def test_two_become_one(case: str):
    body, expected = CASES[case]
    model = parse(f"agraph (float[2,3,4] x) => (y) {S} {{ {body} }}")
    before = model.clone()
    assert apply(model, *RULES)[0] == 1 and operators(model) == expected
    assert_same_answers(before, model, random_feeds(before))
    assert apply(model, *RULES)[0] == 0


def test_a_symbolic_dimension_is_copied_or_left_to_be_computed():
    model = parse(
        "agraph (float[n,3,4] x, int64[2] s, int64[3] t) => (float[n,4,3] y) { h = Reshape (x, s) y = Reshape (h, t) }"
    )
    for node, shape in zip(model.graph, (["m", 4], ["n", 4, 3]), strict=True):
        node.outputs[0].shape = ir.Shape(shape)
    assert apply(model, *RULES)[0] == 1
    target = model.graph.node(0).inputs[1]
    assert target is not None and target.const_value is not None
    assert list(target.const_value.numpy()) == [0, 4, 3]


@pytest.mark.parametrize(
    ("shape", "reason"),
    [(["p", "q", 3], "more than one dimension"), (None, "is not known"), ([0, "q", 3], "more than one dimension")],
)
def test_a_target_that_cannot_be_written_is_left_alone(shape: list[int | str] | None, reason: str):
    model = parse(
        "agraph (float[n,3,4] x, int64[2] s, int64[3] t) => (float[a,b,c] y) { h = Reshape (x, s) y = Reshape (h, t) }"
    )
    model.graph.node(1).outputs[0].shape = None if shape is None else ir.Shape(shape)
    changes, report = apply(model, *RULES)
    assert changes == 0 and any(reason in d.reason for d in report.why())


def test_an_inner_reshape_with_other_users_stays_for_them():
    model = parse(f"agraph (float[2,3,4] x) => (y, z) {S} {{ h = Reshape (x, a) y = Reshape (h, b) z = Relu (h) }}")
    before = model.clone()
    assert apply(model, *RULES)[0] == 1 and sorted(operators(model)) == ["Relu", "Reshape", "Reshape"]
    assert_same_answers(before, model, random_feeds(before))
