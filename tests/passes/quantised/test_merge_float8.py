"""merge_float8.py: queries, keys and values of one input are one product of float8.

What the product computes is compared with onnx.reference in tests/targets/cuda/test_float8_attention.py.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest

from burnish.passes.quantised.merge_float8 import MergeFloat8, MergeFloat8OfCodes
from burnish.passes.rewrite.constants import constant_array
from tests.passes.golden import assert_fires_once, build, why

RANDOM = np.random.default_rng(5)


def codes(*shape: int) -> np.ndarray[Any, Any]:
    return RANDOM.standard_normal(shape).astype(ml_dtypes.float8_e4m3fn)


DATA: dict[str, Any] = {
    "z": codes() * 0,
    "n": np.array([2, 5, 2, 3]),
    **{f"w{n}": codes(8, 6) for n in "qkv"},
    "cq": np.float32(0.5),
    "ck": RANDOM.uniform(1, 2, 6).astype(np.float32),
    "cv": np.float32(0.25),
    "bq": RANDOM.standard_normal(6).astype(np.float32),
    "bv": RANDOM.standard_normal(6).astype(np.float32),
    "sq": np.float32(0.1),
    "sk": np.float32(0.2),
    "sv": np.float32(0.1),
}


def attention(quantised: bool, other: str = "") -> str:
    """Three products, their heads, attention. other: replaces the product of k."""
    parts = ["a0q = MatMul(x, wq) a1q = Mul(a0q, cq) aq = Add(a1q, bq)"]
    parts.append(other or "a0k = MatMul(x, wk) ak = Mul(ck, a0k)")
    parts.append("a0v = MatMul(x, wv) a1v = Mul(a0v, cv) av = Add(bv, a1v)")
    for n in "qkv":
        quantise, read = (f"q{n} = QuantizeLinear(a{n}, s{n}, z)", f"q{n}") if quantised else ("", f"a{n}")
        parts.append(f"{quantise} r{n} = Reshape({read}, n) t{n} = Transpose<perm=[0,2,1,3]>(r{n})")
    name = "ai.burnish.AttentionOfCodes<scale=0.5>" if quantised else "Attention"
    return " ".join([*parts, f"y = {name}(tq, tk, tv)"])


def test_three_products_their_scales_biases_and_codes_become_one():
    model = build("float8e4m3fn[2,5,8] x", attention(True), **DATA)
    lines = assert_fires_once(model, MergeFloat8OfCodes())
    assert [line.split(" = ")[1].split("(")[0] for line in lines[:4]] == ["MatMul", "Mul", "Add", "QuantizeLinear"]
    assert sum(" = MatMul" in line for line in lines) == 1 and sum(" = Slice" in line for line in lines) == 3
    product, scale, shift, quantise = list(model.graph)[:4]
    found = [constant_array(n.inputs[1]) for n in (product, scale, shift, quantise)]
    want = [np.concatenate([DATA[f"w{n}"] for n in "qkv"], 1)]
    want.append(np.concatenate([np.broadcast_to(DATA[f"c{n}"], 6) / DATA[f"s{n}"] for n in "qkv"]))
    want.append(np.concatenate([DATA["bq"] / DATA["sq"], np.zeros(6, np.float32), DATA["bv"] / DATA["sv"]]))
    want.append(np.float32(1))
    for array, right in zip(found, want, strict=True):
        np.testing.assert_array_equal(np.asarray(array, np.float32), np.asarray(right, np.float32))


def test_for_an_attention_of_floats_there_are_no_codes():
    model = build("float8e4m3fn[2,5,8] x", attention(False), **DATA)
    for node in model.graph:  # the product of codes is f32, which ONNX's inference does not say
        for value in node.outputs:
            value.type = ir.TensorType(ir.DataType.FLOAT)
    lines = assert_fires_once(model, MergeFloat8())
    assert sum(" = MatMul" in line for line in lines) == 1 and not any("QuantizeLinear" in line for line in lines)


SKIPS = {
    "another input": "a0k = MatMul(x2, wk) ak = Mul(ck, a0k)",
    "a bias for each row": "a0k = MatMul(x, wk) a1k = Mul(ck, a0k) ak = Add(a1k, rows)",
    "a bias of more axes than the product": "a0k = MatMul(x, wk) a1k = Mul(ck, a0k) ak = Add(a1k, deep)",
    "a scale that leaves the range of f32": "a0k = MatMul(x, wk) a1k = Mul(big, a0k) ak = Add(a1k, bq)",
    "no scale": "ak0 = MatMul(x, wk) ak = Relu(ak0)",
}


@pytest.mark.parametrize("name", SKIPS)
def test_what_does_not_fit_stays_while_the_other_two_merge(name: str):
    inputs = "float8e4m3fn[2,5,8] x, float8e4m3fn[2,5,8] x2"
    rows = RANDOM.standard_normal((5, 1)).astype(np.float32)
    others = {"rows": rows, "deep": DATA["bq"].reshape(1, 1, 1, 6), "big": np.float32(3e38)}
    model = build(inputs, attention(True, SKIPS[name]), **DATA, **others)
    lines = assert_fires_once(model, MergeFloat8OfCodes())
    assert sum(" = MatMul" in line for line in lines) == 2 and sum(" = Slice" in line for line in lines) == 2


def test_a_product_of_floats_is_none_of_its_business():
    body = "q = MatMul(x, a) k = MatMul(x, b) v = MatMul(x, c) " + " ".join(
        f"r{n} = Reshape({n}, n) t{n} = Transpose<perm=[0,2,1,3]>(r{n})" for n in "qkv"
    )
    model = build("float[2,5,8] x", f"{body} y = Attention(tq, tk, tv)", a=(8, 6), b=(8, 6), c=(8, 6), n=DATA["n"])
    assert "no scaled product of float8" in why(model, MergeFloat8(), "Attention")
