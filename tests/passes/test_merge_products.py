"""merge_products.py: queries, keys and values of one input are one product."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from burnish.passes.merge_products import MergeProducts
from tests.passes.golden import assert_fires_once, assert_same_reference, build, golden, why
from tests.passes.models import random_feeds

WEIGHTS = {"wq": (8, 6), "wk": (8, 6), "wv": (8, 6), "bq": (6,), "bv": (6,)}
SHAPE = {"s": np.array([0, 0, 2, 3])}


def attention(q: str, k: str, v: str, inputs: str = "float[2,5,8] x") -> ir.Model:
    """Three products (text, each of which makes a value), heads taken apart, attention."""
    heads = " ".join(f"r{n} = Reshape({n}, s) t{n} = Transpose <perm=[0,2,1,3]> (r{n})" for n in "qkv")
    return build(inputs, f"{q} {k} {v} {heads} [m] y = Attention(tq, tk, tv)", **SHAPE, **WEIGHTS)


def check(model: ir.Model) -> list[str]:
    before = model.clone()
    lines = assert_fires_once(model, MergeProducts())
    assert_same_reference(before, model, random_feeds(before))
    return lines


def test_three_products_and_their_biases_become_one():
    lines = check(
        attention("a = MatMul(x, wq) q = Add(a, bq)", "k = MatMul(x, wk)", "b = MatMul(x, wv) v = Add(bv, b)")
    )
    assert lines[:2] == ["_ = MatMul(x, weight[8,18])", "_ = Add(_, bias[18])"]
    assert sum(" = MatMul" in line for line in lines) == 1 and sum(" = Slice" in line for line in lines) == 3


def test_grouped_queries_have_parts_of_different_width():
    q = "q = MatMul(x, wq) rq = Reshape(q, t) tq = Transpose <perm=[0,2,1,3]> (rq)"
    heads = " ".join(f"r{n} = Reshape({n}, s) t{n} = Transpose <perm=[0,2,1,3]> (r{n})" for n in "kv")
    body = f"{q} k = MatMul(x, wk) v = MatMul(x, wv) {heads} y = Attention(tq, tk, tv)"
    weights = {"wq": (8, 12), "wk": (8, 6), "wv": (8, 6), "t": np.array([0, 0, 4, 3]), **SHAPE}
    model = build("float[2,5,8] x", body, **weights)
    assert check(model)[0] == "_ = MatMul(x, weight[8,24])"


def test_a_decoder_that_attends_to_something_else_merges_keys_and_values():
    inputs = "float[2,5,8] x, float[2,4,8] z"
    lines = check(attention("q = MatMul(x, wq)", "k = MatMul(z, wk)", "v = MatMul(z, wv)", inputs))
    assert [line for line in lines if " = MatMul" in line] == ["q = MatMul(x, wq[8,6])", "_ = MatMul(z, weight[8,12])"]


def test_a_product_that_others_use_stays_while_the_other_two_merge():
    lines = check(attention("q = MatMul(x, wq)", "k = MatMul(x, wk) o = Relu(k)", "v = MatMul(x, wv)"))
    assert [line for line in lines if " = MatMul" in line] == ["k = MatMul(x, wk[8,6])", "_ = MatMul(x, weight[8,12])"]


def test_gemms_with_turned_weights_merge():
    body = (
        "q = Gemm <transB=1> (x, wq, bq) k = Gemm <transB=1> (x, wk) v = Gemm(x, wv, bv)"
        "rq = Reshape(q, s) rk = Reshape(k, s) rv = Reshape(v, s)"
        "y = Attention(rq, rk, rv)"
    )
    weights = {"wq": (6, 8), "wk": (6, 8), "wv": (8, 6), "bq": (6,), "bv": (6,)}
    model = build("float[10,8] x", body, s=np.array([1, 2, 10, 3]), **weights)
    assert check(model)[0] == "_ = Gemm(x, weight[8,18], bias[18])"


REFUSED = {
    "different inputs": (
        "q = MatMul(x, wq)", "k = MatMul(z, wk)", "v = MatMul(u, wv)", "products of different inputs",
    ),
    "not constant": ("q = MatMul(x, w)", "k = MatMul(x, w)", "v = MatMul(x, w)", "not a float constant"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_products_that_are_not_of_one_input_stay(case: str):
    q, k, v, reason = REFUSED[case]
    model = attention(q, k, v, "float[2,5,8] x, float[2,5,8] z, float[2,5,8] u, float[8,6] w")
    assert reason in why(model, MergeProducts(), "m"), golden(model)


def test_parts_of_one_product_are_left_alone():
    body = (
        "p = MatMul(x, w) a, b, c = Split <axis=-1, num_outputs=3> (p)"
        "rq = Reshape(a, s) rk = Reshape(b, s) rv = Reshape(c, s) [m] y = Attention(rq, rk, rv)"
    )
    model = build("float[2,5,8] x", body, w=(8, 18), **SHAPE)
    assert "several results" in why(model, MergeProducts(), "m")
