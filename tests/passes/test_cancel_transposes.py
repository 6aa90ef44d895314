"""cancel_transposes.py: transposes merge and cancel, through pointwise operators."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.cancel_transposes import RULES
from tests.passes.models import add_constants, apply, assert_same_answers, operators, parse, random_feeds

CASES = {
    "undone": ("t = Transpose <perm = [0,2,3,1]> (x) u = Transpose <perm = [0,3,1,2]> (t) y = Relu (u)", ["Relu"]),
    "merged": ("t = Transpose <perm = [0,2,3,1]> (x) y = Transpose <perm = [0,2,3,1]> (t)", ["Transpose"]),
    "through_unary": (
        "t = Transpose <perm = [0,2,3,1]> (x) r = Relu (t) u = Transpose <perm = [0,3,1,2]> (r) y = Abs (u)",
        ["Relu", "Abs"],
    ),
    "through_binary_with_constants": (
        "t = Transpose <perm = [0,2,3,1]> (x) r = Mul (t, c) s = Add (r, half) z = Sigmoid (s) m = Mul (s, z) "
        "u = Transpose <perm = [0,3,1,2]> (m) y = Abs (u)",
        ["Mul", "Add", "Sigmoid", "Mul", "Abs"],
    ),
    "two_branches": (
        "t = Transpose <perm = [0,2,3,1]> (x) a = Abs (x) w = Transpose <perm = [0,2,3,1]> (a) s = Add (t, w) "
        "u = Transpose <perm = [0,3,1,2]> (s) y = Neg (u)",
        ["Abs", "Add", "Neg"],
    ),
    "default_order": ("t = Transpose (x) u = Transpose (t) y = Relu (u)", ["Relu"]),
}
KEPT = {
    "other_user": (
        "t = Transpose <perm = [0,2,3,1]> (x) r = Relu (t) z = Abs (r) u = Transpose <perm = [0,3,1,2]> (r) "
        "q = Transpose <perm = [0,3,1,2]> (z) y = Add (u, q)",
        "has other users",
    ),
    "not_transposed": (
        "r = Relu (x) t = Transpose <perm = [0,2,3,1]> (r) y = Abs (t)", "is not transposed",
    ),
    "other_rank": (
        "t = Transpose <perm = [0,2,3,1]> (x) r = Mul (t, v) u = Transpose <perm = [0,3,1,2]> (r) y = Abs (u)",
        "has another rank",
    ),
}  # fmt: skip


def build(body: str):
    model = parse(f"agraph (float[2,3,4,5] x, float[3] c, float half, float[3] v) => (y) {{ {body} }}")
    return add_constants(model, {"c": np.arange(3, dtype=np.float32), "half": np.array(0.5, np.float32)})


@pytest.mark.parametrize("case", CASES)
def test_transposes_cancel(case: str):
    body, expected = CASES[case]
    model = build(body)
    before = model.clone()
    assert apply(model, *RULES)[0] >= 1
    assert operators(model) == expected
    assert_same_answers(before, model, random_feeds(before))
    assert apply(model, *RULES)[0] == 0


@pytest.mark.parametrize("case", KEPT)
def test_a_transpose_that_would_only_move_or_multiply_is_left_alone(case: str):
    body, reason = KEPT[case]
    model = build(body)
    changes, report = apply(model, *RULES)
    assert changes == 0 and any(reason in d.reason for d in report.why()), report.why()


def test_a_first_transpose_with_other_users_stays_for_them():
    model = build("t = Transpose <perm = [0,2,3,1]> (x) z = Abs (t) u = Transpose <perm = [0,3,1,2]> (t) "
                  "q = Transpose <perm = [0,3,1,2]> (z) y = Add (u, q)")  # fmt: skip
    before = model.clone()
    assert apply(model, *RULES)[0] >= 1
    assert "Transpose" in operators(before)
    assert_same_answers(before, model, random_feeds(before))
