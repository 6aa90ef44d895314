"""split_transposed_conv.py: a transposed convolution of codes as a convolution. Oracle: ONNX Runtime."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.quantised.split_transposed_conv import SplitTransposedConv
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import assert_same_answers

RNG = np.random.default_rng(3)
READ = "d = DequantizeLinear(x, sx, zx) v = DequantizeLinear{}(w, sw, zw) "
ONE = {"sx": np.float32(0.05), "zx": np.uint8(90), "sw": np.float32(0.02), "zw": np.int8(5)}
EACH = {**ONE, "sw": np.float32([0.01, 0.02, 0.04]), "zw": np.int8([5, 0, -7])}
FORMS = {
    "as long as its stride": ("kernel_shape=[2,2], strides=[2,2]", (4, 3, 2, 2), ONE),
    "pads": ("strides=[2,2], pads=[1,1,1,1]", (4, 3, 4, 4), EACH),
    "uneven pads, ragged kernel": ("strides=[2,2], pads=[0,1,2,0]", (4, 3, 3, 5), EACH),
    "output padding": ("strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]", (4, 3, 3, 3), EACH),
    "output padding beyond the last step": ("strides=[3,3], output_padding=[2,1]", (4, 3, 3, 3), ONE),
    "stride 1": ("pads=[1,0,1,2]", (4, 3, 3, 3), ONE),
    "a kernel shorter than its stride": ("strides=[3,3]", (4, 3, 2, 1), EACH),
    "groups": ("strides=[2,2], group=2, pads=[1,1,0,0]", (4, 3, 3, 3), EACH),
}


def codes(*shape: int, dtype: type = np.int8) -> np.ndarray:
    info = np.iinfo(dtype)
    return RNG.integers(info.min, info.max, shape, dtype, endpoint=True)


@pytest.mark.parametrize("attributes, shape, weights", FORMS.values(), ids=FORMS.keys())
def test_the_places_between_two_steps_are_channels(attributes, shape, weights):
    body = READ.format("<axis=1>") + f"y = ConvTranspose<{attributes}>(d, v)"
    model = build("uint8[2,4,5,6] x", body, **weights, w=codes(*shape))
    before = model.clone()
    lines = assert_fires_once(model, SplitTransposedConv())
    assert not any("ConvTranspose" in line for line in lines)
    assert_same_answers(before, model, {"x": codes(2, 4, 5, 6, dtype=np.uint8)}, rtol=1e-6)


BIASES = {
    "f32": ("b", {"b": np.float32([1, -2, 3])}),
    "codes": ("c", {"k": np.int32([100, -200, 300]), "sb": np.float32([0.1, 0.2, 0.3])}),
}


@pytest.mark.parametrize("name, weights", BIASES.values(), ids=BIASES.keys())
def test_a_bias_stands_at_every_place(name, weights):
    bias = "c = DequantizeLinear<axis=0>(k, sb) " if name == "c" else ""
    body = READ.format("<axis=1>") + bias + f"y = ConvTranspose<strides=[2,2]>(d, v, {name})"
    model = build("uint8[2,4,5,6] x", body, **EACH, w=codes(4, 3, 2, 2), **weights)
    before = model.clone()
    assert_fires_once(model, SplitTransposedConv())
    assert_same_answers(before, model, {"x": codes(2, 4, 5, 6, dtype=np.uint8)}, rtol=1e-6)


SKIPS = {
    "f32 data": ("float[1,4,5,6] x", "v = DequantizeLinear(w, sw, zw) y = ConvTranspose(x, v)", {},
                 "x is not dequantised"),
    "f32 weights": ("uint8[1,4,5,6] x", "d = DequantizeLinear(x, sx, zx) y = ConvTranspose(d, f)", {"f": (4, 3, 2, 2)},
                    "f is not dequantised"),
    "16 bits": ("uint16[1,4,5,6] x", READ.format("") + "y = ConvTranspose(d, v)", {"zx": np.uint16(1)},
                "its data are not codes of 8 bits with one scale, or its weight is computed"),
    "one axis": ("uint8[1,4,5] x", READ.format("") + "y = ConvTranspose(d, v)", {"w": codes(4, 3, 2)},
                 "it has 1 spatial axes, not 2"),
    "scales of inputs": ("uint8[1,4,5,6] x", READ.format("<axis=0>") + "y = ConvTranspose(d, v)",
                         {"sw": np.float32([1, 2, 3, 4]), "zw": np.int8([0, 0, 0, 0])},
                         "its weight has a scale for each place on axis 0, which is summed"),
    "dilated": ("uint8[1,4,5,6] x", READ.format("") + "y = ConvTranspose<dilations=[2,2]>(d, v)", {},
                "it is dilated, has different strides, or pads that its output's shape decides"),
    "a computed bias": ("uint8[1,4,5,6] x, float[3] b", READ.format("") + "y = ConvTranspose(d, v, b)", {},
                        "its bias b is computed"),
}  # fmt: skip


@pytest.mark.parametrize("inputs, body, weights, reason", SKIPS.values(), ids=SKIPS.keys())
def test_it_says_why_it_stays(inputs, body, weights, reason):
    model = build(inputs, body, **{**ONE, "w": codes(4, 3, 2, 2), **weights})
    assert why(model, SplitTransposedConv(), "ConvTranspose") == reason
