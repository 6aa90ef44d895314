"""sink_dequantize.py: codes move instead of numbers. Oracle: ONNX Runtime on the model as it stands."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.quantised.sink_dequantize import RULES, SinkDequantize, SinkIntoOneDequantize
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import run_ort

READ = "d = DequantizeLinear(x, s, z) "
U8 = {"s": np.float32(0.1), "z": np.uint8(5)}
C4 = {"s": np.float32([0.1, 0.2, 0.3, 0.4]), "z": np.int8([0, 1, 2, 3])}
IMAGE = "uint8[1,4,6,6] x"
FIRES = {
    "transpose": (IMAGE, READ + "y = Transpose<perm=[0,2,3,1]>(d)", U8, ["_ = Transpose(x) perm=(0,2,3,1)"]),
    "reshape": (IMAGE, READ + "y = Reshape(d, n)", {**U8, "n": np.array([4, -1])}, ["_ = Reshape(x, n[2])"]),
    "slice": (IMAGE, READ + "y = Slice(d, a, b)", {**U8, "a": np.array([0, 1]), "b": np.array([1, 3])},
              ["_ = Slice(x, a[2], b[2])"]),
    "gather": (IMAGE, READ + "y = Gather<axis=1>(d, i)", {**U8, "i": np.array([2, 0])}, ["_ = Gather(x, i[2]) axis=1"]),
    "max pool": (IMAGE, READ + "y = MaxPool<kernel_shape=[3,3], pads=[1,1,1,1]>(d)", U8,
                 ["_ = MaxPool(x) kernel_shape=(3,3) pads=(1,1,1,1)"]),
    "pad by 0": (IMAGE, READ + "y = Pad(d, p)", {**U8, "p": np.array([0, 0, 1, 1, 0, 0, 2, 0])},
                 ["_ = Pad(x, p[8], 5, -)"]),
    "pad by a number": (IMAGE, READ + "y = Pad(d, p, v)", {**U8, "s": np.float32(0.5), "p": np.ones(8, np.int64),
                        "v": np.float32(2)}, ["_ = Pad(x, p[8], 9, -)"]),
    "resize": (IMAGE, READ + 'y = Resize<mode="nearest">(d, , n)', {**U8, "n": np.float32([1, 1, 2, 2])},
               ['_ = Resize(x, -, n[4]) mode=nearest']),
}  # fmt: skip


def all_codes(model, seed=3):
    generator = np.random.default_rng(seed)
    feeds = {}
    for value in model.graph.inputs:
        dtype = value.dtype.numpy()
        shape = [int(d) for d in value.shape]
        info = np.iinfo(dtype)
        feeds[value.name] = generator.integers(info.min, info.max, shape, dtype, endpoint=True)
    return feeds


def assert_same(before, after):
    feeds = all_codes(before)
    for want, got in zip(run_ort(before, feeds), run_ort(after, feeds), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("inputs, body, weights, golden", FIRES.values(), ids=FIRES.keys())
def test_the_codes_move(inputs, body, weights, golden):
    model = build(inputs, body, **weights)
    before = model.clone()
    scale = f"{float(weights['s']):g}"
    assert assert_fires_once(model, *RULES) == [*golden, f"y = DequantizeLinear(_, {scale}, 5)"]
    assert_same(before, model)


def test_each_part_of_a_split_is_dequantised():
    model = build(IMAGE, READ + "a, b = Split<axis=1, num_outputs=2>(d) y = Add(a, b)", **U8)
    before = model.clone()
    assert assert_fires_once(model, *RULES) == [
        "_, _ = Split(x) axis=1 num_outputs=2",
        "a = DequantizeLinear(_, 0.1, 5)",
        "b = DequantizeLinear(_, 0.1, 5)",
        "y = Add(a, b)",
    ]
    assert_same(before, model)


def test_a_concat_of_equal_parameters_joins_codes():
    body = "a = DequantizeLinear(x, s, z) b = DequantizeLinear(w, s, z) y = Concat<axis=1>(a, b)"
    model = build("uint8[1,2] x, uint8[1,3] w", body, **U8)
    before = model.clone()
    assert assert_fires_once(model, *RULES) == ["_ = Concat(x, w) axis=1", "y = DequantizeLinear(_, 0.1, 5)"]
    assert_same(before, model)


PER_CHANNEL = {
    "transpose": ("y = Transpose<perm=[0,2,1,3]>(d)", {}, "y = DequantizeLinear(_, s[4], z[4]) axis=2"),
    "a view": ("y = Reshape(d, n)", {"n": np.array([1, 1, 4, 36])}, "y = DequantizeLinear(_, s[4], z[4]) axis=2"),
    "unsqueeze": ("y = Unsqueeze(d, n)", {"n": np.array([0])}, "y = DequantizeLinear(_, s[4], z[4]) axis=2"),
    "gather before it": ("y = Gather<axis=0>(d, i)", {"i": np.array(0)}, "y = DequantizeLinear(_, s[4], z[4]) axis=0"),
    "gather behind it": (
        "y = Gather<axis=2>(d, i)", {"i": np.array([[1, 2]])}, "y = DequantizeLinear(_, s[4], z[4]) axis=1"
    ),
}  # fmt: skip


@pytest.mark.parametrize("body, weights, golden", PER_CHANNEL.values(), ids=PER_CHANNEL.keys())
def test_a_scale_per_channel_follows_its_axis(body, weights, golden):
    model = build("int8[1,4,6,6] x", "d = DequantizeLinear<axis=-3>(x, s, z) " + body, **C4, **weights)
    before = model.clone()
    assert assert_fires_once(model, *RULES)[-1] == golden
    assert_same(before, model)


SKIPS = {
    "f32": ("float[1,4,6,6] x", "y = Transpose(x)", {}, "x is not dequantised"),
    "interpolation": (
        IMAGE, READ + 'y = Resize<mode="linear">(d, , n)', {**U8, "n": np.float32([1, 1, 2, 2])}, "it interpolates"),
    "extrapolation": (
        IMAGE, READ + 'y = Resize<mode="nearest", coordinate_transformation_mode="tf_crop_and_resize">(d, r, n)',
        {**U8, "n": np.float32([1, 1, 2, 2]), "r": np.float32([0, 0, 0, 0, 1, 1, 2, 2])}, "it extrapolates"),
    "no code to pad with": (IMAGE, READ + "y = Pad(d, p, v)", {**U8, "p": np.ones(8, np.int64), "v": np.float32(99)},
        "no code stands for 99, with which it pads"),
    "a computed pad": ("uint8[2] x, float v", READ + "y = Pad(d, p, v)", {**U8, "p": np.array([1, 1])},
        "what it pads with is computed, or its input has several scales"),
    "a negative scale and a maximum": (IMAGE, READ + "y = MaxPool<kernel_shape=[2,2]>(d)", {**U8, "s": np.float32(-1)},
        "its codes do not grow with their numbers, or have more than 8 bits"),
    "wide codes": ("int32[1,4] x", "d = DequantizeLinear(x, s) y = Transpose(d)", {"s": np.float32(1)},
        "its codes are int32"),
    "a channel axis that is cut": ("int8[1,4,6] x", "d = DequantizeLinear(x, s, z) y = Slice(d, a, b, c)",
        {**C4, "a": np.array([1]), "b": np.array([2]), "c": np.array([1])},
        "it does not keep axis 1 whole, which has a scale for each place"),
    "a channel axis that is merged": ("int8[1,4,6] x", "d = DequantizeLinear(x, s, z) y = Reshape(d, n)",
        {**C4, "n": np.array([24])}, "it does not keep axis 1 whole, which has a scale for each place"),
}  # fmt: skip


@pytest.mark.parametrize("inputs, body, weights, reason", SKIPS.values(), ids=SKIPS.keys())
def test_it_says_why_numbers_move(inputs, body, weights, reason):
    model = build(inputs, body, **weights)
    assert why(model, SinkDequantize(), list(model.graph)[-1].op_type) == reason


def test_read_indices_keep_a_pool_on_numbers():
    model = build(IMAGE, READ + "m, i = MaxPool<kernel_shape=[2,2]>(d) f = Cast<to=1>(i) y = Add(m, f)", **U8)
    assert why(model, SinkDequantize(), "MaxPool") == "its indices are read"


def test_a_window_of_padding_alone_keeps_a_pool_on_numbers():
    model = build(IMAGE, READ + "y = MaxPool<kernel_shape=[1,1], pads=[1,1,1,1]>(d)", **U8)
    assert why(model, SinkDequantize(), "MaxPool") == "a window of it may hold padding alone"


def test_a_concat_of_other_parameters_joins_numbers():
    body = "a = DequantizeLinear(x, s, z) b = DequantizeLinear(w, t, z) y = Concat<axis=1>(a, b)"
    model = build("uint8[1,2] x, uint8[1,3] w", body, **U8, t=np.float32(1))
    assert "has other parameters than" in why(model, SinkIntoOneDequantize(), "Concat")
    mixed = build("uint8[1,2] x, float[1,3] w", READ + "y = Concat<axis=1>(d, w)", **U8)
    assert why(mixed, SinkIntoOneDequantize(), "Concat") == "w is not dequantised"
