"""drop_dead_channels.py: channels that are always 0 leave, with the weights that make and read them."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from burnish.passes.channels.drop_dead_channels import drop_dead_channels
from burnish.passes.rewrite.context import PassContext
from tests.passes.golden import build, golden
from tests.passes.models import add_constants, assert_same_answers, parse, random_feeds

DEAD = [1, 3, 4, 5, 7, 9, 11, 12, 15]
IMAGE = "float[2,8,6,6] x"


def dead(shape: tuple[int, ...], rows: list[int] = DEAD, axis: int = 0) -> np.ndarray:
    """Seeded numbers that are 0 in these rows."""
    array = np.random.default_rng(sum(shape)).standard_normal(shape)
    np.moveaxis(array, axis, 0)[rows] = 0
    return array.astype(np.float32)


def narrowed(body: str, inputs: str = IMAGE, **weights) -> tuple[ir.Model, ir.Model, int]:
    """The model before, after, and the number of changes."""
    model = build(inputs, body, **weights)
    before = model.clone()
    return before, model, drop_dead_channels(model, PassContext())


PAIR = {"v": dead((16, 8, 3, 3)), "b": dead((16,)), "w": (4, 16, 1, 1)}
FIRES = {
    "convolutions": (
        IMAGE,
        "h = Conv(x, v, b) k = Relu(h) y = Conv(k, w)",
        PAIR,
        ["h = Conv(x, kept[8,8,3,3], kept[8])", "k = Relu(h)", "y = Conv(k, kept[4,8,1,1])"],
    ),
    "a clip that spans 0, a pool and a view": (
        IMAGE,
        "h = Conv(x, v, b) k = Clip(h, low, high) p = GlobalAveragePool(k) f = Reshape(p, to) y = Gemm(f, g)",
        {**PAIR, "low": np.float32(0), "high": np.float32(6), "to": np.array([2, 16]), "g": (16, 5), "w": (1,)},
        [
            "h = Conv(x, kept[8,8,3,3], kept[8])",
            "k = Clip(h, 0, 6)",
            "p = GlobalAveragePool(k)",
            "f = Reshape(p, shape[2])",
            "y = Gemm(f, kept[8,5])",
        ],
    ),
    "a residual sum, dead on both sides": (
        IMAGE,
        "h = Conv(x, v, b) k = Relu(h) r = Conv(k, u) s = Add(k, r) y = Conv(s, w)",
        {**PAIR, "u": dead((16, 16, 1, 1))},
        [
            "h = Conv(x, kept[8,8,3,3], kept[8])",
            "k = Relu(h)",
            "r = Conv(k, kept[8,8,1,1])",
            "s = Add(k, r)",
            "y = Conv(s, kept[4,8,1,1])",
        ],
    ),
    "a gate that is not 0 itself": (
        IMAGE,
        "h = Conv(x, v, b) a = GlobalAveragePool(h) c = Conv(a, u) g = Sigmoid(c) s = Mul(h, g) y = Conv(s, w)",
        {**PAIR, "u": (16, 16, 1, 1)},
        [
            "h = Conv(x, kept[8,8,3,3], kept[8])",
            "a = GlobalAveragePool(h)",
            "c = Conv(a, kept[8,8,1,1])",
            "g = Sigmoid(c)",
            "s = Mul(h, g)",
            "y = Conv(s, kept[4,8,1,1])",
        ],
    ),
    "a depthwise convolution between": (
        IMAGE,
        "h = Conv(x, v, b) d = Conv <group=16> (h, u, c) y = Conv(d, w)",
        {**PAIR, "u": (16, 1, 3, 3), "c": dead((16,))},
        [
            "h = Conv(x, kept[8,8,3,3], kept[8])",
            "d = Conv(h, kept[8,1,3,3], kept[8]) group=8",
            "y = Conv(d, kept[4,8,1,1])",
        ],
    ),
    "matrix products of any rank": (
        "float[2,3,8] x",
        "h = MatMul(x, v) s = Add(h, b) k = Gelu(s) y = MatMul(k, w)",
        {"v": dead((8, 16), axis=1), "b": dead((16,)), "w": (16, 4)},
        ["h = MatMul(x, kept[8,8])", "s = Add(h, kept[8])", "k = Gelu(s)", "y = MatMul(k, kept[8,4])"],
    ),
    "a transposed convolution, and a transposed Gemm": (
        IMAGE,
        "h = ConvTranspose(x, v, b) a = GlobalMaxPool(h) f = Flatten(a) y = Gemm <transB=1> (f, w)",
        {"v": dead((8, 16, 3, 3), axis=1), "b": dead((16,)), "w": (5, 16)},
        [
            "h = ConvTranspose(x, kept[8,8,3,3], kept[8])",
            "a = GlobalMaxPool(h)",
            "f = Flatten(a)",
            "y = Gemm(f, kept[5,8]) transB=1",
        ],
    ),
}


@pytest.mark.parametrize("inputs, body, weights, text", FIRES.values(), ids=FIRES.keys())
def test_the_channels_leave_and_the_answers_stay(inputs, body, weights, text):
    before, after, changes = narrowed(body, inputs, **weights)
    assert changes == 1 and golden(after) == text
    assert_same_answers(before, after, random_feeds(before))
    assert drop_dead_channels(after, PassContext()) == 0


LAST = "float[1,16,16,16] x"
OTHER_AXES = {  # a tensor whose channels lie on the last axis, and a product that makes its own on the first
    "a depthwise convolution": ("h = MatMul(x, v) d = Conv <group=16> (h, u) y = MatMul(d, w)", (16, 1, 1, 1)),
    "a sum with a convolution of as many": (
        "h = MatMul(x, v) c = Conv(x, u) s = Add(h, c) y = MatMul(s, w)",
        (16, 16, 1, 1),
    ),
}
FEW = ("float[1,4,16,16] x", "h = MatMul(x, v) c = Conv(x, u) s = Add(h, c) y = MatMul(s, w)", (4, 4, 1, 1))


@pytest.mark.parametrize(
    "inputs, body, shape", [*((LAST, *case) for case in OTHER_AXES.values()), FEW], ids=[*OTHER_AXES, "a sum with few"]
)
def test_channels_of_another_axis_are_not_these(inputs, body, shape):
    u = dead(shape, [row for row in DEAD if row < shape[0]])
    before, after, changes = narrowed(body, inputs, v=dead((16, 16), axis=1), u=u, w=(16, 4))
    assert changes == 0
    assert_same_answers(before, after, random_feeds(before))


def test_indices_of_a_pool_count_the_channels_that_leave():
    text = "agraph (float[1,8,6,6] x, float[16,8,3,3] v, float[4,16,1,1] w) => (y, i) "
    body = "{ h = Conv(x, v) p, i = MaxPool <kernel_shape=[2,2]> (h) y = Conv(p, w) }"
    model = add_constants(parse(text + body), {"v": dead((16, 8, 3, 3)), "w": dead((4, 16, 1, 1), [])})
    assert drop_dead_channels(model, PassContext()) == 0


STAYS = {
    "an output of the model": ("y = Conv(x, v, b)", {}),
    "a bias that is not 0": ("h = Conv(x, v, c) k = Relu(h) y = Conv(k, w)", {"c": (16,)}),
    "a clip that lifts 0": ("h = Conv(x, v, b) k = Clip(h, low) y = Conv(k, w)", {"low": np.float32(1)}),
    "an exponential": ("h = Conv(x, v, b) k = Exp(h) y = Conv(k, w)", {}),
    "one side of a sum alone": ("h = Conv(x, v, b) r = Conv(x, u) s = Add(h, r) y = Conv(s, w)", {"u": (16, 8, 3, 3)}),
    "a reader of all channels": ("h = Conv(x, v, b) s = Softmax <axis=1> (h) y = Conv(s, w)", {}),
    "a convolution in groups": ("h = Conv(x, v, b) y = Conv <group=2> (h, u)", {"u": (4, 8, 1, 1)}),
    "weights that are no numbers": ("h = Conv(x, v, b) y = Conv(h, u)", {"u": np.full((4, 16, 1, 1), np.inf)}),
    "channels on the last axis under a pool": (
        "h = Conv(x, v, b) r = Reshape(h, to) y = Conv(r, u)",
        {"to": np.array([2, 4, 8, 8]), "u": (4, 4, 1, 1)},
    ),
}


@pytest.mark.parametrize("body, more", STAYS.values(), ids=STAYS.keys())
def test_what_is_needed_stays(body, more):
    assert narrowed(body, **{**PAIR, **more})[2] == 0


def test_so_many_stay_that_vectors_are_full():
    rows = [0, 2, 3]
    _, after, changes = narrowed("h = Conv(x, v) y = Conv(h, w)", v=dead((16, 8, 1, 1), rows), w=(4, 16, 1, 1))
    assert changes == 0 and "w[4,16,1,1]" in golden(after)[1]


def test_a_model_of_zeros_keeps_one_channel():
    before, after, changes = narrowed("h = Conv(x, v) y = Conv(h, w)", v=np.zeros((16, 8, 1, 1)), w=(4, 16, 1, 1))
    assert changes == 1 and golden(after)[0] == "h = Conv(x, kept[1,8,1,1])"
    assert_same_answers(before, after, random_feeds(before))
