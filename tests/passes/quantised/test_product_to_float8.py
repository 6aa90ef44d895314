"""product_to_float8.py: codes of float8 are multiplied. Oracle: onnx.reference on the graph as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ml_dtypes
import numpy as np
import pytest

from burnish.passes.quantised.product_to_float8 import ProductToFloat8
from tests.passes.golden import assert_fires_once, build, why

RNG = np.random.default_rng(2)
ROWS, IMAGE = "float[3,7] x", "float[2,4,6,5] x"
READ = "q = QuantizeLinear(x, sx, z) d = DequantizeLinear(q, sx, z) "
MATMUL = READ + "v = DequantizeLinear<axis=1>(w, sw) y = MatMul(d, v)"


def codes(*shape: int) -> np.ndarray[Any, Any]:
    return RNG.standard_normal(shape).astype(ml_dtypes.float8_e4m3fn)


SCALES = RNG.uniform(0.5, 2, 5).astype(np.float32)
DATA = {"sx": np.float32(0.03), "z": codes() * 0}
M: dict[str, Any] = {**DATA, "w": codes(7, 5), "sw": SCALES}
FORMS: dict[str, tuple[str, str, Mapping[str, Any], list[str]]] = {
    "a scale for each column": (ROWS, MATMUL, M, ["MatMul", "Mul"]),
    "one scale": (ROWS, MATMUL, {**M, "sw": np.float32(0.5)}, ["MatMul", "Mul"]),
    "Gemm, turned, a bias": (
        ROWS,
        READ + "v = DequantizeLinear<axis=0>(w, sw) y = Gemm<transB=1>(d, v, b)",
        {**M, "w": codes(5, 7), "b": SCALES},
        ["MatMul", "Mul", "Add"],
    ),
    "Conv, a bias": (
        IMAGE,
        READ + "v = DequantizeLinear<axis=0>(w, sw) y = Conv<pads=[1,1,1,1]>(d, v, b)",
        {**M, "w": codes(5, 4, 3, 3), "b": SCALES},
        ["Conv", "Mul", "Add"],
    ),
}
SKIPS: dict[str, tuple[str, str, Mapping[str, Any], str]] = {
    "not dequantised": (ROWS, "y = MatMul(x, w)", {"w": (7, 5)}, "x is not dequantised"),
    "integers": (
        ROWS,
        MATMUL,
        {**M, "z": np.uint8(0), "w": np.ones((7, 5), np.uint8)},
        "d is no f32 made of float8",
    ),
    "computed weights": (
        "float[3,7] x, float[7,5] k",
        READ + "e = QuantizeLinear(k, sx, z) v = DequantizeLinear(e, sx, z) y = MatMul(d, v)",
        DATA,
        "e is no constant",
    ),
    "a scale for each summed place": (
        ROWS,
        READ + "v = DequantizeLinear<axis=0>(w, sw) y = MatMul(d, v)",
        {**M, "sw": RNG.uniform(0.5, 2, 7).astype(np.float32)},
        "its weight has a scale for each place on axis 0, which is summed",
    ),
    "alpha": (
        ROWS,
        READ + "v = DequantizeLinear<axis=1>(w, sw) y = Gemm<alpha=2.0>(d, v)",
        M,
        "its alpha is 2.0",
    ),
    "data with a scale for each place": (
        ROWS,
        MATMUL.replace("Linear(x", "Linear<axis=1>(x").replace("Linear(q, sx, z", "Linear<axis=1>(q, sx, z"),
        {**M, "sx": np.full(7, 0.03, np.float32), "z": codes(7) * 0},
        "its data has a scale for each place on axis 1",
    ),
    "a computed scale": (
        ROWS + ", float[] s",
        READ.replace("sx", "s") + "v = DequantizeLinear<axis=1>(w, sw) y = MatMul(d, v)",
        M,
        "the scale of d is computed",
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_it_multiplies_codes(name: str):
    inputs, body, weights, wanted = FORMS[name]
    model = build(inputs, body, **weights)
    assert_fires_once(model, ProductToFloat8())
    assert [n.op_type for n in model.graph if "Linear" not in n.op_type] == wanted
    product = next(n for n in model.graph if n.op_type in ("MatMul", "Conv"))
    assert {str(v.dtype) for v in product.inputs[:1]} == {"FLOAT8E4M3FN"}
    assert len(product.inputs) == 2


@pytest.mark.parametrize("name", SKIPS)
def test_it_declines_and_says_why(name: str):
    inputs, body, weights, reason = SKIPS[name]
    model = build(inputs, body, **weights)
    (node,) = [n.op_type for n in model.graph if n.op_type in ("MatMul", "Gemm", "Conv")]
    assert reason in why(model, ProductToFloat8(), node)


def test_it_is_left_alone_on_targets_without_float8():
    from burnish.passes.pipeline import optimize
    from burnish.passes.rewrite.context import PassContext

    for has_float8 in (False, True):
        model = build(ROWS, MATMUL, **M)
        optimize(model, PassContext(float8=has_float8))
        (product,) = [n for n in model.graph if n.op_type == "MatMul"]
        assert (str(product.inputs[0].dtype) == "FLOAT8E4M3FN") == has_float8
