"""narrow_mask.py: a mask that is the same for every query is one row."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from burnish.passes.narrow_mask import NarrowMask
from tests.passes.golden import assert_fires_once, assert_same_reference, build, why
from tests.passes.models import random_feeds

INPUTS = "float[2,3,4,8] q, float[2,3,5,8] k, float[2,3,5,8] v, bool[2,1,1,5] keep, bool[2,1,4,1] rows"
TRUE = {"same": np.ones((1, 1, 4, 1), bool), "zero": np.float32(0), "low": np.float32(-1e9)}


def masked(body: str, **weights: object) -> ir.Model:
    return build(INPUTS, f"{body} [m] y = Attention(q, k, v, mask)", **{**TRUE, **weights})


FIRES = {
    "and with true": ("mask = And(keep, same)", []),
    "chosen numbers": ("a = And(same, keep) mask = Where(a, zero, low)", ["_ = Where(keep, 0, -1e+09)"]),
    "a constant that repeats": (
        "a = Where(keep, zero, low) mask = Add(a, c)",
        ["a = Where(keep, 0, -1e+09)", "_ = Add(a, row[1,1,5])"],
    ),
}


@pytest.mark.parametrize("case", FIRES)
def test_only_the_row_is_computed(case: str):
    body, expected = FIRES[case]
    model = masked(body, c=np.repeat(np.arange(5, dtype=np.float32)[None, None], 4, axis=1))
    before = model.clone()
    lines = assert_fires_once(model, NarrowMask())
    assert [line for line in lines if "Attention" not in line] == expected
    feeds = random_feeds(before)
    feeds["keep"][..., 0] = True
    assert_same_reference(before, model, feeds)


def test_a_range_from_zero_that_is_at_least_zero_says_true():
    body = (
        "shape = Shape(rows) t = Gather(shape, two) r = Range(begin, t, one) u = Reshape(r, column)"
        "always = GreaterOrEqual(u, begin) mask = And(keep, always)"
    )
    numbers = {"two": np.int64(2), "begin": np.int64(0), "one": np.int64(1), "column": np.array([1, 1, 4, 1])}
    model = masked(body, **numbers)
    assert assert_fires_once(model, NarrowMask()) == ["y = Attention(q, k, v, keep)"]


REFUSED = {
    "differs": ("mask = And(keep, rows)", "differs between queries: rows"),
    "one row": ("mask = Not(keep)", "is one row already"),
    "constant differs": ("mask = Add(c, low)", "differs between queries: c"),
    "not pointwise": ("p = CumSum(wide, axis) mask = Cast <to=9> (p)", "differs between queries: p"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_other_masks_are_left_alone(case: str):
    body, reason = REFUSED[case]
    c = np.arange(20, dtype=np.float32).reshape(4, 5)
    assert reason in why(masked(body, c=c, wide=np.ones((4, 5), np.float32), axis=np.int64(1)), NarrowMask(), "m")


def test_no_mask_is_no_mask():
    model = build(INPUTS, "[m] y = Attention(q, k, v)")
    assert "no mask" in why(model, NarrowMask(), "m")
