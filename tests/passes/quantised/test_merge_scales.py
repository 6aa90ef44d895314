"""merge_scales.py: one scale and one shift after a sum. Oracle: ONNX Runtime on the model as it stands."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.quantised.merge_scales import MergeScales
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import assert_same_answers

SUM = "i = MatMulInteger(x, w) f = Cast<to=1>(i) "
A, B, C = np.float32([0.1, 0.2]), np.float32([3, 4]), np.float32([[5], [6], [7]])
WEIGHTS = {"w": np.arange(8, dtype=np.int8).reshape(4, 2), "a": A, "b": B, "c": C, "n": np.float32(0.5)}
GIVEN = "uint8[3,4] x"
FIRES = {
    "two scales": ("s = Mul(f, a) y = Mul(s, b)", ["y = Mul(f, scale[2])"]),
    "a number and a scale": ("s = Mul(n, f) y = Mul(s, b)", ["y = Mul(f, scale[2])"]),
    "batch normalisation": (
        "s = Mul(f, n) t = Add(b, s) u = Mul(t, a) y = Add(u, n)",
        ["_ = Mul(f, scale[2])", "y = Add(_, shift[2])"],
    ),
    "two shifts": ("s = Mul(f, a) t = Add(s, b) y = Add(t, n)", ["_ = Mul(f, scale[2])", "y = Add(_, shift[2])"]),
}


@pytest.mark.parametrize("body, golden", FIRES.values(), ids=FIRES.keys())
def test_they_become_one_scale_and_one_shift(body, golden):
    model = build(GIVEN, SUM + body, **WEIGHTS)
    before = model.clone()
    assert [line.replace("_1[", "[") for line in assert_fires_once(model, MergeScales())[2:]] == golden
    feeds = {"x": np.random.default_rng(1).integers(0, 256, (3, 4)).astype(np.uint8)}
    assert_same_answers(before, model, feeds, rtol=3e-7)


SKIPS = {
    "one": ("y = Mul(f, a)", "it is one scale and at most one shift already"),
    "a scale and a shift": ("s = Mul(f, a) y = Add(s, b)", "it is one scale and at most one shift already"),
    "constants that vary along other axes": ("s = Mul(f, a) y = Mul(s, c)", "its constants vary along different axes"),
    "read by others": ("s = Mul(f, a) t = Abs(s) u = Add(s, t) y = Mul(s, b)", "s has other users"),
    "no constant": ("s = Mul(f, a) t = Abs(f) y = Mul(s, t)", "it scales or shifts by no constant"),
    "no sum": ("s = Abs(f) y = Mul(s, b)", "it scales or shifts no sum of integer products"),
}


@pytest.mark.parametrize("body, reason", SKIPS.values(), ids=SKIPS.keys())
def test_it_says_why_they_stay(body, reason):
    model = build(GIVEN, SUM + body, **WEIGHTS)
    assert why(model, MergeScales(), "Mul" if "y = Mul" in body else "Add") == reason
