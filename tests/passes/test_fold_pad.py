"""fold_pad.py: constant padding goes into the convolution or the pool after it."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.ops.language.node_view import SUMS_COLUMNS
from burnish.passes.fold_pad import FoldPad
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import assert_same_answers, random_feeds

IMAGE = "float[1,2,5,5] x"
ZERO, LOWEST = np.float32(0), np.float32("-inf")
CORNER = np.array([0, 0, 0, 0, 0, 0, 1, 1])
RING = np.array([0, 0, 1, 1, 0, 0, 1, 1])
W = {"w": (3, 2, 3, 3)}
FIRES = {
    "conv, asymmetric": (
        "h = Pad(x, p) y = Conv <strides=[2,2]> (h, w)",
        {"p": CORNER, **W},
        "y = Conv(x, w[3,2,3,3]) pads=(0,0,1,1) strides=(2,2)",
    ),
    "conv with padding of its own": (
        "h = Pad(x, p, z) y = Conv <pads=[1,0,0,2]> (h, w)",
        {"p": RING, "z": ZERO, **W},
        "y = Conv(x, w[3,2,3,3]) pads=(2,1,1,3)",
    ),
    "conv, auto_pad valid": (
        'h = Pad(x, p, z) y = Conv <auto_pad="VALID"> (h, w)',
        {"p": RING, "z": ZERO, **W},
        "y = Conv(x, w[3,2,3,3]) pads=(1,1,1,1)",
    ),
    "axes given": (
        "h = Pad(x, p, z, a) y = Conv(h, w)",
        {"p": np.array([1, 2]), "z": ZERO, "a": np.array([-1]), **W},
        "y = Conv(x, w[3,2,3,3]) pads=(0,1,0,2)",
    ),
    "average pool": (
        "h = Pad(x, p) y = AveragePool <kernel_shape=[3,3]> (h)",
        {"p": RING},
        "y = AveragePool(x) count_include_pad=1 kernel_shape=(3,3) pads=(1,1,1,1)",
    ),
    "max pool": (
        "h = Pad(x, p, z) y = MaxPool <kernel_shape=[3,3]> (h)",
        {"p": RING, "z": LOWEST},
        "y = MaxPool(x) kernel_shape=(3,3) pads=(1,1,1,1)",
    ),
}


@pytest.mark.parametrize("body, weights, golden", FIRES.values(), ids=FIRES.keys())
def test_the_padding_moves(body, weights, golden):
    model = build(IMAGE, body, **weights)
    before = model.clone()
    assert assert_fires_once(model, FoldPad()) == [golden]
    assert_same_answers(before, model, random_feeds(before))


def test_an_old_average_pool_still_sums_as_it_did():
    model = build(IMAGE, "h = Pad(x, p) y = AveragePool <kernel_shape=[3,3]> (h)", p=RING)
    (before,) = (n for n in model.graph if n.op_type == "AveragePool")
    before.meta[SUMS_COLUMNS] = True
    assert_fires_once(model, FoldPad())
    (after,) = (n for n in model.graph if n.op_type == "AveragePool")
    assert after is not before and after.meta[SUMS_COLUMNS]


def test_a_pad_with_another_user_stays_for_it():
    model = build(
        IMAGE, "h = Pad(x, p) k = Conv(h, w) l = MaxPool <kernel_shape=[3,3]> (h) y = Add(k, l)", p=RING, w=(2, 2, 3, 3)
    )
    before = model.clone()
    lines = assert_fires_once(model, FoldPad())
    assert lines[0].startswith("h = Pad") and "pads=(1,1,1,1)" in lines[1]
    assert_same_answers(before, model, random_feeds(before))


POOL = "[n] y = AveragePool <kernel_shape=[2,2]{}> (h)"
REFUSED = {
    "no pad": ("[n] y = Conv(x, w)", W, "the input of n is not padded"),
    "reflection": ('[p] h = Pad <mode="reflect"> (x, p) [n] y = Conv(h, w)', {"p": RING, **W}, "p pads by reflect"),
    "another value": (
        "[p] h = Pad(x, p, z) [n] y = Conv(h, w)",
        {"p": RING, "z": np.float32(1), **W},
        "p pads with 1, Conv with 0",
    ),
    "zeros before a maximum": (
        "[p] h = Pad(x, p) [n] y = MaxPool <kernel_shape=[2,2]> (h)",
        {"p": RING},
        "p pads with 0, MaxPool with -inf",
    ),
    "channels": (
        "[p] h = Pad(x, p) [n] y = Conv(h, w)",
        {"p": np.array([0, 1, 0, 0, 0, 0, 0, 0]), "w": (3, 3, 3, 3)},
        "p pads the batch or the channels",
    ),
    "cropping": ("[p] h = Pad(x, p) [n] y = Conv(h, w)", {"p": -RING, **W}, "p crops"),
    "same size": (
        '[p] h = Pad(x, p) [n] y = Conv <auto_pad="SAME_UPPER"> (h, w)',
        {"p": RING, **W},
        "n has auto_pad SAME_UPPER, which depends on the padded size",
    ),
    "rounded up": ("[p] h = Pad(x, p) " + POOL.format(", ceil_mode=1"), {"p": RING}, "n rounds its size up"),
    "uncounted": (
        "[p] h = Pad(x, p) " + POOL.format(", pads=[0,0,1,1]"),
        {"p": np.zeros(8, np.int64)},
        "does not count its own padding",
    ),
    "as wide as the kernel": ("[p] h = Pad(x, p) " + POOL.format(""), {"p": RING * 2}, "as wide as the kernel of n"),
}


@pytest.mark.parametrize("body, weights, reason", REFUSED.values(), ids=REFUSED.keys())
def test_it_declines(body, weights, reason):
    assert reason in why(build(IMAGE, body, **weights), FoldPad(), "n")


def test_unknown_amounts_are_left_alone():
    model = build(IMAGE + ", int64[8] p", "[p] h = Pad(x, p) [n] y = Conv(h, w)", **W)
    assert why(model, FoldPad(), "n") == "the amounts, the value or the rank of p are not known"


def test_unknown_axes_are_left_alone():
    model = build(IMAGE + ", int64[1] a", "[p] h = Pad(x, p, z, a) [n] y = Conv(h, w)", p=np.array([1, 1]), z=ZERO, **W)
    model.graph.node(0).outputs[0].shape = model.graph.inputs[0].shape
    assert why(model, FoldPad(), "n") == "the axes of p are not known"


def test_a_max_pool_whose_indices_are_used_is_left_alone():
    body = "[p] h = Pad(x, p, z) [n] k, i = MaxPool <kernel_shape=[2,2]> (h) l = Cast <to=1> (i) y = Add(k, l)"
    model = build(IMAGE, body, p=RING, z=LOWEST)
    assert why(model, FoldPad(), "n") == "the indices of n count the padding"
