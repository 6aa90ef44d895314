"""lift_quantize.py: quantised before it moves. Oracle: ONNX Runtime on the model as it stands."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.quantised.lift_quantize import RULES, LiftQuantize
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import assert_same_answers, random_feeds

U8 = {"s": np.float32(0.05), "z": np.uint8(5)}
IMAGE = "float[1,4,6,6] x"
QUANTISED = "_ = QuantizeLinear(x, 0.05, 5)"
FIRES = {
    "transpose": (
        "h = Transpose<perm=[0,2,3,1]>(x) y = QuantizeLinear(h, s, z)",
        {},
        [QUANTISED, "y = Transpose(_) perm=(0,2,3,1)"],
    ),
    "view": ("h = Flatten(x) y = QuantizeLinear(h, s, z)", {}, [QUANTISED, "y = Flatten(_)"]),
    "max pool": (
        "h = MaxPool<kernel_shape=[3,3], pads=[1,1,1,1]>(x) y = QuantizeLinear(h, s, z)",
        {},
        [QUANTISED, "y = MaxPool(_) kernel_shape=(3,3) pads=(1,1,1,1)"],
    ),
    "resize": (
        'h = Resize<mode="nearest">(x, , n) y = QuantizeLinear(h, s, z)',
        {"n": np.float32([1, 1, 2, 2])},
        [QUANTISED, "y = Resize(_, -, n[4]) mode=nearest"],
    ),
    "concat": (
        "a = Neg(x) b = Abs(x) h = Concat<axis=1>(a, b) y = QuantizeLinear(h, s, z)",
        {},
        [
            "a = Neg(x)",
            "b = Abs(x)",
            "_ = QuantizeLinear(a, 0.05, 5)",
            "_ = QuantizeLinear(b, 0.05, 5)",
            "y = Concat(_, _) axis=1",
        ],
    ),
}


@pytest.mark.parametrize("body, weights, golden", FIRES.values(), ids=FIRES.keys())
def test_it_quantises_first(body, weights, golden):
    model = build(IMAGE, body, **U8, **weights)
    before = model.clone()
    assert assert_fires_once(model, *RULES) == golden
    assert_same_answers(before, model, random_feeds(before))


SKIPS = {
    "nothing moves": (IMAGE, "h = Abs(x) y = QuantizeLinear(h, s, z)", {}, "nothing moves its input"),
    "read by others": (
        IMAGE,
        "h = Transpose(x) q = QuantizeLinear(h, s, z) d = DequantizeLinear(q, s, z) y = Add(d, h)",
        {},
        "h has other users",
    ),
    "its input is read by others": (
        "float[4,4] x",
        "h = Transpose(x) q = QuantizeLinear(h, s, z) d = DequantizeLinear(q, s, z) y = Add(d, x)",
        {},
        "its input has other users, or codes already",
    ),
    "codes": (
        "uint8[4,4] x",
        "d = DequantizeLinear(x, s, z) h = Transpose(d) y = QuantizeLinear(h, s, z)",
        {},
        "its input has other users, or codes already",
    ),
    "16 bits": (
        IMAGE,
        "h = Transpose(x) y = QuantizeLinear(h, s, w)",
        {"w": np.uint16(1)},
        "the scale of QuantizeLinear is not one positive number, or its codes are not of 8 bits",
    ),
    "a constant part": (
        IMAGE,
        "h = Concat<axis=1>(x, c) y = QuantizeLinear(h, s, z)",
        {"c": (1, 1, 6, 6)},
        "a part is constant",
    ),
    "a part that is read": (
        IMAGE,
        "a = Abs(x) h = Concat<axis=0>(a, x) q = QuantizeLinear(h, s, z) d = DequantizeLinear(q, s, z) y = Add(d, a)",
        {},
        "a has other users",
    ),
}


@pytest.mark.parametrize("inputs, body, weights, reason", SKIPS.values(), ids=SKIPS.keys())
def test_it_says_why_it_quantises_later(inputs, body, weights, reason):
    assert why(build(inputs, body, **U8, **weights), LiftQuantize(), "QuantizeLinear") == reason
