"""codes.py: what Q and DQ say of a value, and what is not read."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.quantised.codes import Codes, read_codes
from burnish.passes.rewrite.rule import Skip
from tests.passes.golden import build

FORMS = {
    "no zero point": ("int8[2,3] x", "d = DequantizeLinear(x, s)", {"s": np.float32(0.5)}, (0.5, 0, None, (-128, 127))),
    "one number in vectors": (
        "uint16[2,3] x",
        "d = DequantizeLinear(x, s, z)",
        {"s": np.float32([0.5]), "z": np.uint16([7])},
        (0.5, 7, None, (0, 65535)),
    ),
    "an axis from the back": (
        "uint8[2,3] x",
        "d = DequantizeLinear<axis=-2>(x, s, z)",
        {"s": np.float32([1, 2]), "z": np.uint8([3, 4])},
        ([1, 2], [3, 4], 0, (0, 255)),
    ),
}


def read(inputs: str, body: str, **weights) -> Codes | Skip:
    model = build(inputs, body + " y = Abs(d)", **weights)
    return read_codes(next(n for n in model.graph if n.op_type == "Abs").inputs[0])


@pytest.mark.parametrize("inputs, body, weights, expected", FORMS.values(), ids=FORMS.keys())
def test_every_form_of_parameters_is_read(inputs, body, weights, expected):
    found = read(inputs, body, **weights)
    assert isinstance(found, Codes) and found.codes.name == "x"
    scheme = found.scheme
    assert (scheme.scale.tolist(), scheme.zero.tolist(), scheme.axis, scheme.limits) == expected


REFUSED = {
    "no codes": ("float[2] x", "d = Neg(x)", {}, "d is not dequantised"),
    "codes of floats": (
        "float8e4m3fn[2] x",
        "d = DequantizeLinear(x, s)",
        {"s": np.float32(1)},
        "the codes of DequantizeLinear are float8e4m3fn",
    ),
    "a computed scale": (
        "int8[2] x, float s",
        "d = DequantizeLinear(x, s)",
        {},
        "the scale or zero point of DequantizeLinear is computed",
    ),
    "blocks": (
        "int8[2,4] x",
        "d = DequantizeLinear<axis=1, block_size=2>(x, s)",
        {"s": np.ones((2, 2), np.float32)},
        "DequantizeLinear has a scale for each block of 2",
    ),
    "half": (
        "int8[2,4] x",
        "d = DequantizeLinear(x, s)",
        {"s": np.float16(1)},
        "d is dequantised to another type than f32",
    ),
    "a half scale": (
        "int8[2,4] x",
        "d = DequantizeLinear<output_dtype=1>(x, s)",
        {"s": np.float16(1)},
        "the scale of DequantizeLinear is no f32",
    ),
}


@pytest.mark.parametrize("inputs, body, weights, reason", REFUSED.values(), ids=REFUSED.keys())
def test_it_says_what_it_does_not_read(inputs, body, weights, reason):
    assert read(inputs, body, **weights) == Skip(reason)


def test_schemes_are_equal_if_every_number_is():
    vectors = {"s": np.float32([1, 2]), "z": np.uint8([3, 4])}
    first = read("uint8[2,3] x", "d = DequantizeLinear<axis=-2>(x, s, z)", **vectors)
    same = read("uint8[2,3] x", "d = DequantizeLinear<axis=0>(x, s, z)", **vectors)
    other = read("uint8[2,3] x", "d = DequantizeLinear<axis=0>(x, s, z)", **{**vectors, "z": np.uint8([3, 5])})
    assert isinstance(first, Codes) and isinstance(same, Codes) and isinstance(other, Codes)
    assert first.scheme == same.scheme and first.scheme != other.scheme
