"""gather_to_slice.py: a Gather of neighbours at constant places is a Slice."""

from __future__ import annotations

import onnx_ir as ir
import pytest

from burnish.passes import gather_to_slice
from tests.passes.models import apply, assert_same_answers, operators, parse, random_feeds

C = """<int64 two = {2}, int64 last = {-1}, int64[2] near = {1, 2}, int64[2] far = {0, 2}, int64[0] none = {},
    int64[1] i0 = {0}, int64[1] i1 = {1}, int64[1] i2 = {2}, int64[1] i3 = {3}, int64[1] i5 = {5}, int64[1] big = {99},
    int64[1] minus = {-1}>"""


def build(body: str) -> ir.Model:
    return parse(f"agraph (float[3,4] x, float[2,4] z, int64[1] d) => (y) {C} {{ {body} }}")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("y = Gather (x, two)", ["Slice", "Squeeze"]),
        ("y = Gather <axis = -1> (x, last)", ["Slice", "Squeeze"]),
        ("y = Gather (x, near)", ["Slice"]),
        ("y = Gather <axis = 1> (x, i3)", ["Slice"]),
    ],
)
def test_a_gather_of_neighbours_is_a_slice(body: str, expected: list[str]):
    model = build(body)
    before = model.clone()
    assert apply(model, *gather_to_slice.RULES)[0] == 1 and operators(model) == expected
    assert_same_answers(before, model, random_feeds(before))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("[g] y = Gather (x, far)", "not neighbours"),
        ("[g] y = Gather (x, big)", "not neighbours"),
        ("[g] y = Gather (x, d)", "not a constant"),
        ("[g] y = Gather (x, none)", "no known size"),
    ],
)
def test_other_gathers_are_left_alone(body: str, reason: str):
    changes, report = apply(build(body), *gather_to_slice.RULES)
    assert changes == 0 and reason in report.why(node="g")[0].reason


def test_a_gather_on_a_symbolic_axis_is_left_alone():
    model = parse("agraph (float[n,4] x) => (float[4] y) <int64 i = {0}> { [g] y = Gather (x, i) }")
    assert "no known size" in apply(model, *gather_to_slice.RULES)[1].why(node="g")[0].reason
