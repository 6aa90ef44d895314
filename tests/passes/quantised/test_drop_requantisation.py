"""drop_requantisation.py: what the codes imply is not computed. Oracle: ONNX Runtime on the model as it stands."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.quantised.drop_requantisation import RULES, ClipCodes, DropClipBeforeQuantize, DropRequantisation
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import random_feeds, run_ort

READ = "d = DequantizeLinear(x, s, z) "
U8 = {"s": np.float32(0.1), "z": np.uint8(0)}
S8 = {"s": np.float32(0.1), "z": np.int8(3)}
FIRES = {
    "back to the same codes": (
        "uint8[64] x",
        READ + "r = QuantizeLinear(d, s, z) y = Identity(r)",
        U8,
        ["y = Identity(x)"],
    ),
    "per channel": (
        "int8[2,64] x",
        "d = DequantizeLinear<axis=0>(x, s, z) r = QuantizeLinear<axis=-2>(d, s, z) y = Identity(r)",
        {"s": np.float32([0.1, 3]), "z": np.int8([0, 9])},
        ["y = Identity(x)"],
    ),
    "16 bits": (
        "int16[64] x",
        READ + "r = QuantizeLinear(d, s, z) y = Identity(r)",
        {"s": np.float32(0.37), "z": np.int16(-31000)},
        ["y = Identity(x)"],
    ),
    "a relu before codes that start at 0": (
        "float[64] x",
        "r = Relu(x) y = QuantizeLinear(r, s, z)",
        U8,
        ["y = QuantizeLinear(x, 0.1, 0)"],
    ),
    "a clip to the range of the codes": (
        "float[64] x",
        "r = Clip(x, a, b) y = QuantizeLinear(r, s, z)",
        {"s": np.float32(6 / 255), "z": np.int8(-128), "a": np.float32(0), "b": np.float32(6)},
        ["y = QuantizeLinear(x, 0.0235294, -128)"],
    ),
    "a relu of codes that start at 0": (
        "uint8[64] x",
        READ + "y = Relu(d)",
        U8,
        ["y = DequantizeLinear(x, 0.1, 0)"],
    ),
    "a relu of signed codes": (
        "int8[64] x",
        READ + "y = Relu(d)",
        S8,
        ["_ = Clip(x, 3, 127)", "y = DequantizeLinear(_, 0.1, 3)"],
    ),
    "a clip to numbers that codes stand for": (
        "int8[64] x",
        READ + "y = Clip(d, a, b)",
        {"s": np.float32(0.25), "z": np.int8(3), "a": np.float32(-1), "b": np.float32(99)},
        ["_ = Clip(x, -1, 127)", "y = DequantizeLinear(_, 0.25, 3)"],
    ),
}


@pytest.mark.parametrize("inputs, body, weights, golden", FIRES.values(), ids=FIRES.keys())
def test_it_is_dropped(inputs, body, weights, golden):
    model = build(inputs, body, **weights)
    before = model.clone()
    assert assert_fires_once(model, *RULES) == golden
    feeds = random_feeds(before)
    generator = np.random.default_rng(2)
    for name, array in feeds.items():
        if array.dtype.kind in "iu":
            info = np.iinfo(array.dtype)
            feeds[name] = generator.integers(info.min, info.max, array.shape, array.dtype, endpoint=True)
        else:
            feeds[name] = np.concatenate([array[:-6] * 9, np.float32([np.inf, -np.inf, -0.05, 0.05, 0.15, 6])])
    for want, got in zip(run_ort(before, feeds), run_ort(model, feeds), strict=True):
        np.testing.assert_array_equal(got, want)


def test_every_code_of_16_bits_comes_back_whatever_the_scale():
    codes = np.arange(-32768, 32768).astype(np.float32)
    exponents = np.random.default_rng(1).uniform(-37, 33, 300)
    for scale in (10.0**exponents).astype(np.float32):
        np.testing.assert_array_equal(np.rint((2 * codes * scale) / scale), 2 * codes)


OTHER = {**U8, "t": np.float32(0.2)}
SKIPS = {
    "f32": (DropRequantisation, "float[4] x", "y = QuantizeLinear(x, s, z)", U8, "x is not dequantised"),
    "other scale": (
        DropRequantisation,
        "uint8[4] x",
        READ + "y = QuantizeLinear(d, t, z)",
        OTHER,
        "DequantizeLinear has other parameters",
    ),
    "subnormal": (
        DropRequantisation,
        "int8[4] x",
        READ + "y = QuantizeLinear(d, s, z)",
        {"s": np.float32(1e-39), "z": np.int8(0)},
        "its numbers may not be normal ones of f32",
    ),
    "nothing clips": (
        DropClipBeforeQuantize,
        "float[4] x",
        "r = Abs(x) y = QuantizeLinear(r, s, z)",
        U8,
        "nothing clips its input",
    ),
    "the clip cuts": (
        DropClipBeforeQuantize,
        "float[4] x",
        "r = Relu(x) y = QuantizeLinear(r, s, z)",
        S8,
        "Relu clips to 0 and inf, inside what the codes stand for",
    ),
    "negative scale": (
        DropClipBeforeQuantize,
        "float[4] x",
        "r = Relu(x) y = QuantizeLinear(r, s, z)",
        {**U8, "s": np.float32(-1)},
        "its scale is not positive",
    ),
    "no code for the bound": (
        ClipCodes,
        "int8[4] x",
        READ + "y = Clip(d, a)",
        {**S8, "a": np.float32(0.05)},
        "no code stands for 0.05",
    ),
    "computed bound": (ClipCodes, "int8[4] x, float b", READ + "y = Clip(d, b)", S8, "its bounds are computed"),
    "negative scale of a relu": (
        ClipCodes,
        "int8[4] x",
        READ + "y = Relu(d)",
        {**S8, "s": np.float32(-1)},
        "the codes of DequantizeLinear are wide, or their scale is not one positive number",
    ),
}


@pytest.mark.parametrize("rule, inputs, body, weights, reason", SKIPS.values(), ids=SKIPS.keys())
def test_it_says_why_it_stays(rule, inputs, body, weights, reason):
    model = build(inputs, body, **weights)
    assert why(model, rule(), list(model.graph)[-1].op_type) == reason


def test_a_clip_that_others_read_stays():
    model = build(
        "float[4] x", "r = Relu(x) q = QuantizeLinear(r, s, z) d = DequantizeLinear(q, s, z) y = Add(d, r)", **U8
    )
    assert why(model, DropClipBeforeQuantize(), "QuantizeLinear") == "r has other users"
