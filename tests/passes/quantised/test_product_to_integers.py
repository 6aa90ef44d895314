"""product_to_integers.py: sums of codes. Oracle: ONNX Runtime on the quantised model as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest

from burnish.passes.pipeline import optimize
from burnish.passes.quantised.product_to_integers import NOT_QUANTISED, ProductToIntegers
from burnish.passes.rewrite.context import PassContext
from tests.passes.golden import apply, assert_fires_once, build, run_reference, why
from tests.passes.models import run_ort

RNG = np.random.default_rng(11)
IMAGE, ROWS = "float[2,4,6,5] x", "float[3,7] x"
READ = "q = QuantizeLinear(x, sx, zx) d = DequantizeLinear(q, sx, zx) "
DATA = {"sx": np.float32(0.03), "zx": np.uint8(77)}


def codes(*shape: int, dtype: Any = np.int8) -> np.ndarray[Any, Any]:
    info = ml_dtypes.iinfo(dtype)
    return RNG.integers(int(info.min), int(info.max) + 1, shape).astype(dtype)


def scales(count: int) -> np.ndarray[Any, Any]:
    return RNG.uniform(0.001, 0.02, count).astype(np.float32)


S6, S5 = scales(6), scales(5)
W = {**DATA, "w": codes(6, 4, 3, 3), "sw": S6, "zw": np.zeros(6, np.int8)}
M = {**DATA, "w": codes(7, 5), "sw": S5}
TWO = {**DATA, "s": np.float32(0.02), "z": np.int8(-7)}
OTHER = "p = QuantizeLinear(o, s, z) v = DequantizeLinear(p, s, z) "
CONV = READ + "v = DequantizeLinear<axis=0>(w, sw, zw) y = Conv<pads=[1,0,1,2], strides=[2,1]>(d, v)"
FORMS: dict[str, tuple[str, str, Mapping[str, Any]]] = {
    "a scale per channel": (IMAGE, CONV, W),
    "negative axis, no zero points": (IMAGE, READ + "v = DequantizeLinear<axis=-4>(w, sw) y = Conv(d, v)", W),
    "signed data": (IMAGE, CONV, {**W, "zx": np.int8(-5)}),
    "unsigned weights, a zero point per channel": (
        IMAGE,
        CONV,
        {**W, "w": codes(6, 4, 3, 3, dtype=np.uint8), "zw": np.array([0, 128, 3, 255, 120, 9], np.uint8)},
    ),
    "groups": (
        IMAGE,
        READ + "v = DequantizeLinear<axis=0>(w, sw) y = Conv<group=2, dilations=[1,2]>(d, v)",
        {**DATA, "w": codes(6, 2, 3, 2), "sw": S6},
    ),
    "depthwise, a scale per channel of the data": (
        IMAGE,
        READ.replace("(x", "<axis=1>(x").replace("(q", "<axis=1>(q")
        + "v = DequantizeLinear<axis=0>(w, sw) y = Conv<group=4>(d, v)",
        {"sx": scales(4), "zx": np.full(4, 77, np.uint8), "w": codes(8, 1, 3, 3), "sw": scales(8)},
    ),
    "one scale in a vector, negative": (
        IMAGE,
        READ + "v = DequantizeLinear(w, sw, zw) y = Conv(d, v)",
        {**W, "sw": np.float32([-0.01]), "zw": np.int8([-3])},
    ),
    "a bias in steps of the sum": (
        IMAGE,
        READ + "v = DequantizeLinear<axis=0>(w, sw) b = DequantizeLinear<axis=0>(c, sc, zc) y = Conv(d, v, b)",
        {**W, "c": RNG.integers(-9000, 9000, 6).astype(np.int32), "sc": np.float32(0.03) * S6, "zc": np.zeros(6, "i4")},
    ),
    "a bias with a scale of its own": (
        IMAGE,
        READ + "v = DequantizeLinear<axis=0>(w, sw) b = DequantizeLinear(c, sc) y = Conv(d, v, b)",
        {**W, "c": RNG.integers(-900, 900, 6).astype(np.int32), "sc": np.float32(0.001)},
    ),
    "a bias in f32": (
        IMAGE,
        READ + "v = DequantizeLinear<axis=0>(w, sw) y = Conv(d, v, b)",
        {**W, "b": RNG.standard_normal(6).astype(np.float32)},
    ),
    "matmul": (ROWS, READ + "v = DequantizeLinear(w, sw) y = MatMul(d, v)", M),
    "matmul, more axes": ("float[2,3,7] x", READ + "v = DequantizeLinear<axis=-1>(w, sw) y = MatMul(d, v)", M),
    "matmul, a vector": ("float[7] x", READ + "v = DequantizeLinear(w, sw) y = MatMul(d, v)", M),
    "matmul, four bits": (
        ROWS,
        READ + "v = DequantizeLinear(w, sw, zw) y = MatMul(d, v)",
        {**M, "w": codes(7, 5, dtype=ml_dtypes.uint4), "zw": np.arange(5).astype(ml_dtypes.uint4)},
    ),
    "matmul of two computed tensors": ("float[2,3,7] x, float[2,7,5] o", READ + OTHER + "y = MatMul(d, v)", TWO),
    "matmul of two computed tensors, broadcast": (
        "float[2,4,3,7] x, float[1,7,5] o",
        READ + OTHER + "y = MatMul(d, v)",
        {**TWO, "z": np.uint8(200)},
    ),
    "a convolution with computed weights": (
        f"{IMAGE}, float[6,4,3,3] o",
        READ + OTHER + "y = Conv<pads=[1,0,1,2], strides=[2,1]>(d, v)",
        {**TWO, "z": np.uint8(200)},
    ),
    "computed weights with a scale per channel, groups, a bias in f32": (
        f"{IMAGE}, float[6,2,3,3] o",
        READ + "p = QuantizeLinear<axis=0>(o, s, z) v = DequantizeLinear<axis=0>(p, s, z) y = Conv<group=2>(d, v, b)",
        {**DATA, "s": S6, "z": np.array([3, -7, 0, 90, -128, 1], np.int8), "b": RNG.standard_normal(6).astype("f4")},
    ),
    "gemm of two computed tensors, a bias in steps of the sum": (
        "float[3,7] x, float[5,7] o",
        READ + OTHER + "b = DequantizeLinear(c, sc) y = Gemm<transB=1>(d, v, b)",
        {**TWO, "c": np.arange(5).astype(np.int32), "sc": np.float32(0.03) * np.float32(0.02)},
    ),
    "gemm of two computed tensors": ("float[3,7] x, float[7,5] o", READ + OTHER + "y = Gemm(d, v)", TWO),
    "gemm, transposed": (
        ROWS,
        READ + "v = DequantizeLinear<axis=0>(w, sw) b = DequantizeLinear<axis=0>(c, sc) y = Gemm<transB=1>(d, v, b)",
        {**M, "w": codes(5, 7), "c": np.arange(5).astype(np.int32), "sc": np.float32(0.03) * S5},
    ),
    "gemm, a computed bias": (
        "float[3,7] x, float[3,1] c",
        READ + "v = DequantizeLinear(w, sw) y = Gemm(d, v, c)",
        M,
    ),
}


@pytest.mark.parametrize("inputs, body, weights", FORMS.values(), ids=FORMS.keys())
def test_a_quantised_product_sums_codes(inputs: str, body: str, weights: Mapping[str, Any]):
    model = build(inputs, body, **weights)
    before = model.clone()
    lines = assert_fires_once(model, ProductToIntegers())
    assert not any(f"= {name}(" in line for line in lines for name in ("Conv", "MatMul", "Gemm"))
    feeds = {
        str(v.name): RNG.standard_normal([int(d) for d in v.shape or ()]).astype(np.float32) * 3
        for v in before.graph.inputs
    }
    (want,), (got,) = run_ort(before, feeds), run_reference(model, feeds)
    assert (want.shape, want.dtype) == (got.shape, got.dtype)
    np.testing.assert_allclose(got, want, rtol=0, atol=2e-6 * float(np.abs(want).max()))


def test_a_bias_is_added_to_the_codes_before_the_scale():
    _, body, weights = FORMS["a bias in steps of the sum"]
    assert assert_fires_once(build(IMAGE, body, **weights), ProductToIntegers())[-4:] == [
        "_ = ConvInteger(q, weight[6,4,3,3], 77, -)",
        "_ = Add(_, bias[6,1,1])",
        "_ = Cast(_) to=1",
        "y = Mul(_, scale[6,1,1])",
    ]


def test_weights_that_fit_without_a_zero_point_have_none():
    body = READ + "v = DequantizeLinear(w, s, z) y = MatMul(d, v)"
    model = build(ROWS, body, **DATA, w=codes(7, 5, dtype=np.uint8), s=np.float32(0.1), z=np.uint8(128))
    assert "_ = MatMulInteger(q, weight[7,5], 77, -)" in assert_fires_once(model, ProductToIntegers())
    narrow = build(ROWS, body, **DATA, w=np.full((7, 5), 255, np.uint8), s=np.float32(0.1), z=np.uint8(9))
    assert "_ = MatMulInteger(q, weight[7,5], 77, -119)" in assert_fires_once(narrow, ProductToIntegers())
    (weight,) = (v for v in narrow.graph.initializers.values() if str(v.name).endswith(".weight"))
    assert weight.dtype == ir.DataType.INT8


SKIPS = {
    "nothing is quantised": ("y = MatMul(x, w)", {"w": (7, 5)}, NOT_QUANTISED),
    "its data are f32": ("v = DequantizeLinear(w, sw) y = MatMul(x, v)", M, "x is not dequantised"),
    "its weight is f32": (READ + "y = MatMul(d, w)", {**DATA, "w": (7, 5)}, "w is not dequantised"),
    "16 bits": (
        READ + "v = DequantizeLinear(w, sw) y = MatMul(d, v)",
        {**M, "zx": np.uint16(9)},
        "its data has codes of type uint16, not 8 bits",
    ),
    "a scale per column of the data": (
        "q = QuantizeLinear(x, sx, zx) d = DequantizeLinear(q, sx, zx) v = DequantizeLinear(w, sw) y = MatMul(d, v)",
        {**M, "sx": scales(7), "zx": np.zeros(7, np.int8)},
        "its data has a scale for each place on axis 1",
    ),
    "a scale per row of the weight": (
        READ + "v = DequantizeLinear<axis=0>(w, sw) y = MatMul(d, v)",
        {**M, "sw": scales(7)},
        "its weight has a scale for each place on axis 0, which is summed",
    ),
    "blocks": (
        READ + "v = DequantizeLinear<axis=0, block_size=4>(w, sw) y = MatMul(d, v)",
        {**M, "sw": scales(10).reshape(2, 5)},
        "DequantizeLinear has a scale for each block of 4",
    ),
    "a weight of rank 3": (
        READ + "v = DequantizeLinear(w, sw) y = MatMul(d, v)",
        {**M, "w": codes(2, 7, 5), "sw": np.float32(0.1)},
        "its weight has rank 3, not 2",
    ),
    "both sides are computed, one in 16 bits": (
        "r = Transpose(x) q = QuantizeLinear(r, sx, zx) d = DequantizeLinear(q, sx, zx) "
        "p = QuantizeLinear(x, s, z) v = DequantizeLinear(p, s, z) y = MatMul(d, v)",
        {**TWO, "z": np.int16(3)},
        "p has codes of type int16, not 8 bits",
    ),
    "both sides are computed, one with several scales": (
        "r = Transpose(x) q = QuantizeLinear(r, sx, zx) d = DequantizeLinear(q, sx, zx) "
        "p = QuantizeLinear(x, s, z) v = DequantizeLinear(p, s, z) y = MatMul(d, v)",
        {**DATA, "s": scales(7), "z": np.zeros(7, np.int8)},
        "p has a scale for each place on axis 1",
    ),
    "both sides are computed, one is a vector": (
        READ + "g = Gather(q, i) v = DequantizeLinear(g, sx, zx) y = MatMul(d, v)",
        {**DATA, "i": np.int64(1)},
        "one side of it is a vector, or of unknown rank",
    ),
    "wide weights": (
        READ + "v = DequantizeLinear(w, sw) y = MatMul(d, v)",
        {**M, "w": codes(7, 5, dtype=np.int16)},
        "its weight has codes of type int16",
    ),
    "no float16": (
        "h = Cast<to=10>(x) q = QuantizeLinear(h, sx, zx) d = DequantizeLinear(q, sx, zx) "
        "v = DequantizeLinear(w, s) y = MatMul(d, v)",
        {**DATA, "sx": np.float16(0.1), "w": codes(7, 5), "s": np.float16(0.1)},
        "d is dequantised to another type than f32",
    ),
}


@pytest.mark.parametrize("body, weights, reason", SKIPS.values(), ids=SKIPS.keys())
def test_it_says_why_a_product_keeps_f32(body: str, weights: Mapping[str, Any], reason: str):
    assert why(build(ROWS, body, **weights), ProductToIntegers(), "MatMul") == reason


@pytest.mark.parametrize(
    "shapes, reason",
    [
        ("float[3,n] x, float[n,4] o", "both sides are computed, and only a run tells how many products are summed"),
        ("float[1,120000] x, float[120000,1] o", "its sum may not fit 32 bits"),
    ],
)
def test_the_depth_of_a_product_of_two_computed_tensors_is_known_and_limited(shapes: str, reason: str):
    assert why(build(shapes, READ + OTHER + "y = MatMul(d, v)", **TWO), ProductToIntegers(), "MatMul") == reason


def test_a_depth_that_a_run_tells_is_limited_by_the_most_that_it_may_be():
    def model() -> ir.Model:
        return build("float[3,n] x, float[n,4] o", READ + OTHER + "y = MatMul(d, v)", **TWO)

    assert "_ = MatMulInteger(q, p, 77, -7)" in assert_fires_once(model(), ProductToIntegers({"n": 512}.get))
    reason = why(model(), ProductToIntegers({"n": 120_000}.get), "MatMul")
    assert reason == "its sum may not fit 32 bits"


@pytest.mark.parametrize("sizes, products", [({"n": (1, 512)}, 1), ({"n": (1, 120_000)}, 0), ({}, 0)])
def test_the_pass_takes_the_most_from_the_profile(sizes: Mapping[str, tuple[int, int]], products: int):
    model = build("float[3,n] x, float[n,4] o", READ + OTHER + "y = MatMul(d, v)", **TWO)
    optimize(model, PassContext(sizes=sizes, integer_products=True))
    assert sum(n.op_type == "MatMulInteger" for n in model.graph) == products


@pytest.mark.parametrize(
    "shape, given, reason",
    [
        ("6,n,3,3", {}, "both sides are computed, and only a run tells how many products are summed"),
        ("1,120000,1,1", {}, "its sum may not fit 32 bits"),
        ("6,4,3,3", {"s": S6[:4], "z": np.zeros(4, np.int8)}, "p has a scale for each place on axis 1"),
    ],
)
def test_the_depth_of_a_convolution_with_computed_weights_is_known_and_limited(
    shape: str, given: Mapping[str, Any], reason: str
):
    body = READ + OTHER + "y = Conv(d, v)"
    image = IMAGE.replace("4,6,5", "120000,1,1") if "120000" in shape else IMAGE
    model = build(f"{image}, float[{shape}] o", body, **TWO | given)
    assert why(model, ProductToIntegers(), "Conv") == reason


def test_a_scaled_or_transposed_gemm_keeps_f32():
    body = READ + "v = DequantizeLinear(w, sw) y = Gemm<alpha=0.5>(d, v)"
    assert why(build(ROWS, body, **M), ProductToIntegers(), "Gemm") == "its alpha is 0.5"


def test_a_depthwise_convolution_has_one_zero_point_for_all_channels():
    body = READ.replace("(x", "<axis=1>(x").replace("(q", "<axis=1>(q") + "v = DequantizeLinear(w, s) "
    given = {"sx": scales(4), "w": codes(4, 1, 3, 3), "s": np.float32(0.1)}
    model = build(IMAGE, body + "y = Conv<group=4>(d, v)", **given, zx=np.uint8([1, 2, 3, 4]))
    assert why(model, ProductToIntegers(), "Conv") == "its data has a zero point for each place on axis 1"
    model = build(IMAGE, body + "y = Conv<group=2>(d, v)", **given | {"w": codes(4, 2, 3, 3)}, zx=np.zeros(4, np.uint8))
    assert why(model, ProductToIntegers(), "Conv") == "its data has a scale for each place on axis 1"


@pytest.mark.parametrize("stride, reason", [("1,2", "it is dilated, has different strides"), ("2,2", "it becomes a")])
def test_a_transposed_convolution_has_no_integer_form_of_its_own(stride: str, reason: str):
    body = READ + f"v = DequantizeLinear(w, s) y = ConvTranspose<strides=[{stride}]>(d, v)"
    model = build(IMAGE, body, **DATA, w=codes(4, 2, 3, 3), s=np.float32(0.1))
    assert why(model, ProductToIntegers(), "ConvTranspose").startswith(reason)


def test_a_convolution_with_a_computed_bias_keeps_f32():
    body = READ + "v = DequantizeLinear<axis=0>(w, sw) y = Conv(d, v, c)"
    assert why(build(f"{IMAGE}, float[6] c", body, **W), ProductToIntegers(), "Conv") == "its bias c is computed"


def test_a_sum_that_may_not_fit_32_bits_keeps_f32():
    body = READ + "v = DequantizeLinear(w, s) y = MatMul(d, v)"
    model = build("float[1,100000] x", body, **DATA, w=np.full((100000, 1), -128, np.int8), s=np.float32(0.1))
    assert why(model, ProductToIntegers(), "MatMul") == "its sum may not fit 32 bits"


def test_a_bias_that_leaves_no_room_is_added_in_f32():
    body = READ + "v = DequantizeLinear(w, s) b = DequantizeLinear(c, sc) y = Gemm(d, v, b)"
    weights = {"w": codes(7, 1), "s": np.float32(0.1), "sc": np.float32(0.03) * np.float32(0.1)}
    model = build(ROWS, body, **DATA, **weights, c=np.array([2**31 - 9], np.int32))
    assert apply(model, ProductToIntegers())[0] == 1
    assert [n.op_type for n in model.graph][-4:] == ["MatMulInteger", "Cast", "Mul", "Add"]
