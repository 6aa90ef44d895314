"""stride_to_channels.py: a strided convolution over few channels becomes one of stride 1 over many."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.stride_to_channels import StrideToChannels
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import assert_same_answers, random_feeds

FIRES = {
    "stem of ResNet": ("float[2,3,32,32] x", (8, 3, 7, 7), "strides=[2,2], pads=[3,3,3,3]"),
    "odd size, asymmetric padding": ("float[1,3,15,13] x", (4, 3, 3, 3), "strides=[2,2], pads=[0,1,1,1]"),
    "stride 3, one channel": ("float[1,1,20,17] x", (2, 1, 5, 4), "strides=[3,3], pads=[1,2,2,1]"),
    "patches": ("float[1,3,32,32] x", (8, 3, 16, 16), "strides=[16,16]"),
    "auto_pad": ("float[1,3,32,31] x", (4, 3, 3, 3), 'strides=[2,2], auto_pad="SAME_UPPER"'),
}
DECLINES = {
    "many channels": ("float[1,8,32,32] x", (8, 8, 3, 3), "strides=[2,2]", "many channels"),
    "stride 1": ("float[1,3,32,32] x", (8, 3, 3, 3), "strides=[1,1]", "many channels"),
    "unequal strides": ("float[1,3,32,32] x", (8, 3, 3, 3), "strides=[2,1]", "many channels"),
    "rows that nothing reads": ("float[1,3,33,33] x", (8, 3, 2, 2), "strides=[3,3]", "many channels"),
    "dilated": ("float[1,3,32,32] x", (8, 3, 3, 3), "strides=[2,2], dilations=[2,2]", "dilations"),
}


@pytest.mark.parametrize("case", FIRES)
def test_it_computes_the_same(case: str):
    x, weights, attributes = FIRES[case]
    model = build(x, f"y = Conv <{attributes}> (x, w, b)", w=weights, b=weights[:1])
    feeds = random_feeds(model)
    before = build(x, f"y = Conv <{attributes}> (x, w, b)", w=weights, b=weights[:1])
    assert_fires_once(model, StrideToChannels())
    assert [n.op_type for n in model.graph][-2:] == ["SpaceToDepth", "Conv"]
    assert_same_answers(before, model, feeds)


@pytest.mark.parametrize("case", DECLINES)
def test_it_declines_and_says_why(case: str):
    x, weights, attributes, reason = DECLINES[case]
    model = build(x, f"y = Conv <{attributes}> (x, w)", w=weights)
    assert reason in why(model, StrideToChannels(), "Conv")


def test_weights_keep_their_dtype():
    model = build("float16[1,3,8,8] x", "y = Conv <strides=[2,2]> (x, w)", dtype="float16", w=(2, 3, 3, 3))
    assert_fires_once(model, StrideToChannels())
    assert list(model.graph)[-1].inputs[1].const_value.numpy().dtype == np.float16


CODES = {"w": np.random.default_rng(5).integers(-128, 128, (8, 3, 7, 7)).astype(np.int8), "z": np.uint8(114)}
STEM = "ConvInteger<strides=[2,2], pads=[3,3,3,3]>"


def codes() -> dict[str, np.ndarray]:
    return {"x": np.random.default_rng(6).integers(0, 256, (2, 3, 32, 32)).astype(np.uint8)}


def test_codes_are_padded_with_their_zero_point():
    before, model = (build("uint8[2,3,32,32] x", f"y = {STEM}(x, w, z)", **CODES) for _ in range(2))
    assert_fires_once(model, StrideToChannels())
    assert [n.op_type for n in model.graph] == ["Pad", "SpaceToDepth", "ConvInteger"]
    assert_same_answers(before, model, codes())


def test_numbers_are_padded_before_they_become_codes():
    body = f"q = QuantizeLinear(x, s, z) y = {STEM}(q, w, z)"
    before, model = (build("float[2,3,32,32] x", body, s=np.float32(0.03), **CODES) for _ in range(2))
    assert_fires_once(model, StrideToChannels())
    kept = [n.op_type for n in model.graph if n.outputs[0].uses() or n.outputs[0].is_graph_output()]
    assert kept == ["Pad", "QuantizeLinear", "SpaceToDepth", "ConvInteger"]
    assert_same_answers(before, model, random_feeds(before))


def test_zero_points_that_are_not_known_or_of_the_weights_are_declined():
    computed = build("uint8[2,3,32,32] x, uint8[] k", f"y = {STEM}(x, w, k)", w=CODES["w"])
    assert "zero point" in why(computed, StrideToChannels(), "ConvInteger")
    shifted = build("uint8[2,3,32,32] x", f"y = {STEM}(x, w, z, v)", v=np.int8(3), **CODES)
    assert "weights" in why(shifted, StrideToChannels(), "ConvInteger")
