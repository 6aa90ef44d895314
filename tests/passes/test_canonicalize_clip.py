"""canonicalize_clip.py: one form for clipping."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.canonicalize_clip import CanonicalizeClip, MergeClips
from burnish.passes.rewrite.rule import Rule
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import assert_same_answers, random_feeds

N = {
    "zero": np.float32(0),
    "six": np.float32(6),
    "low": np.float32(-0.5),
    "high": np.float32(0.25),
    "most": np.finfo(np.float32).max,
    "lowest": np.float32("-inf"),
    "one": np.zeros(1, np.float32),
}


def build_clip(body: str) -> object:
    return build("float[2,9] x", body, **{n: v for n, v in N.items() if f"{n})" in body or f"{n}," in body})


@pytest.mark.parametrize(
    "body, golden",
    [
        ("y = Clip(x, zero)", ["y = Relu(x)"]),
        ("y = Clip(x, zero, most)", ["y = Relu(x)"]),
        ("y = Max(x, zero)", ["y = Relu(x)"]),
        ("y = Max(one, x)", ["y = Relu(x)"]),
        ("y = Min(x, high)", ["y = Clip(x, -, 0.25)"]),
        ("y = Max(low, x)", ["y = Clip(x, -0.5, -)"]),
        ("h = Max(x, lowest) y = Relu(h)", ["y = Relu(x)"]),
        ("h = Max(x, low) y = Min(h, high)", ["y = Clip(x, -0.5, 0.25)"]),
        ("h = Clip(x, low, high) y = Relu(h)", ["y = Clip(x, 0, 0.25)"]),
        ("h = Relu(x) y = Relu(h)", ["y = Relu(x)"]),
        ("h = Clip(x, high) y = Clip(h, low, zero)", ["y = Clip(x, 0, 0)"]),
    ],
)
def test_it_becomes_the_shortest_form(body, golden):
    model = build_clip(body)
    before = model.clone()
    assert assert_fires_once(model, CanonicalizeClip(), MergeClips()) == golden
    assert_same_answers(before, model, random_feeds(before))


def test_an_inner_clip_with_another_user_stays_for_it():
    model = build_clip("h = Clip(x, low, high) k = Relu(h) y = Add(h, k)")
    before = model.clone()
    assert assert_fires_once(model, MergeClips())[1] == "k = Clip(x, 0, 0.25)"
    assert_same_answers(before, model, random_feeds(before))


@pytest.mark.parametrize(
    "rule, body, reason",
    [
        (CanonicalizeClip(), "[n] y = Clip(x, zero, six)", "n is in its shortest form"),
        (CanonicalizeClip(), "[n] y = Max(x, x, x)", "n has 3 inputs, not 2"),
        (CanonicalizeClip(), "[n] y = Max(x, x)", "n has no number beside one value"),
        (CanonicalizeClip(), "l = ReduceMean(x) [n] y = Clip(x, l)", "a bound of n is not constant"),
        (CanonicalizeClip(), "i = Cast <to=7> (x) [n] y = Max(i, i)", "n is not on floats"),
        (MergeClips(), "[n] y = Relu(x)", "x is not clipped itself"),
        (MergeClips(), "l = ReduceMean(x) [c] h = Clip(x, l) [n] y = Relu(h)", "a bound of c is not constant"),
    ],
)
def test_it_declines(rule: Rule, body, reason):
    assert why(build_clip(body), rule, "n") == reason


def test_a_number_of_a_higher_rank_is_left_alone():
    model = build("float[9] x", "[n] y = Max(x, c)", c=np.zeros((1, 1), np.float32))
    assert why(model, CanonicalizeClip(), "n") == "c has a higher rank than x"
