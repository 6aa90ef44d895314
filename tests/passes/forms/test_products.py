"""products.py: one normal form for products and sums."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from burnish.passes.forms.products import Product, Sum, fits_attribute, is_close, keeps_rank, product_of, sum_of
from tests.passes.golden import build

INPUTS = "float[3] a, float[3] b"
TWO, HALF = np.float32(2), np.float32(0.5)


def product(body: str, **weights: object) -> Product:
    return product_of(build(INPUTS, body, **weights).graph.outputs[0])


def total(body: str, **weights: object) -> Sum:
    return sum_of(build(INPUTS, body, **weights).graph.outputs[0])


@pytest.mark.parametrize(
    "body, scale, powers",
    [
        ("y = Mul(a, b)", 1, {"a": 1, "b": 1}),
        ("h = Mul(a, c) y = Mul(h, b)", 2, {"a": 1, "b": 1}),
        ("h = Mul(a, b) y = Div(h, c)", 0.5, {"a": 1, "b": 1}),
        ("h = Div(b, c) y = Div(a, h)", 2, {"a": 1, "b": -1}),
        ("h = Reciprocal(b) k = Mul(a, h) y = Neg(k)", -1, {"a": 1, "b": -1}),
        ("h = Mul(a, a) y = Mul(h, a)", 1, {"a": 3}),
        ("h = Pow(a, c) y = Mul(h, c)", 2, {"a": 2}),
        ("h = Sqrt(a) y = Div(b, h)", 1, {"b": 1, "a": -0.5}),
        ("h = Sqrt(a) k = Reciprocal(h) y = Mul(b, k)", 1, {"b": 1, "a": -0.5}),
        ("y = Relu(a)", 1, {"y": 1}),
    ],
)
def test_a_product_has_one_scale_and_one_power_per_factor(body, scale, powers):
    found = product(body, c=TWO)
    assert found.scale == scale
    assert {v.name: p for v, p in found.powers.items()} == powers


def test_the_root_of_a_square_is_not_taken_apart():
    found = product("h = Mul(a, a) y = Sqrt(h)")
    assert {v.name: p for v, p in found.powers.items()} == {"h": 0.5} and found.only(0.5) is not None


def test_a_division_by_the_number_zero_is_a_factor():
    assert [v.name for v in product("y = Div(a, c)", c=np.float32(0)).powers] == ["a", "c"]


def test_a_value_with_two_users_stays_a_factor():
    found = product("h = Mul(a, c) k = Relu(h) y = Mul(h, k)", c=TWO)
    assert found.scale == 1 and [v.name for v in found.powers] == ["h", "k"] and len(found.nodes) == 1


def test_integers_are_not_taken_apart():
    model = build("int64[3] a", "y = Div(a, c)", c=np.int64(2))
    assert product_of(model.graph.outputs[0]).only() is model.graph.outputs[0]


def test_a_sum_has_one_constant_and_signed_terms():
    found = total("h = Add(a, c) k = Sub(h, b) y = Sub(k, d)", c=TWO, d=HALF)
    assert found.constant == 1.5 and [(v.name, s) for v, s in found.terms] == [("a", 1), ("b", -1)]
    assert found.only() is None and total("y = Add(a, c)", c=TWO).only() is not None


def test_numbers_of_a_higher_rank_than_the_value_are_noticed():
    found = product("h = Mul(a, c) y = Mul(h, b)", c=np.full((1, 1), 2, np.float32))
    a = next(iter(found.powers))
    assert found.number_rank == 2 and not keeps_rank(a, found)
    assert keeps_rank(a, product("y = Mul(a, c)", c=np.full(1, 2, np.float32)))


def test_a_number_beside_f64_must_fit_the_f32_of_an_attribute():
    assert fits_attribute(0.1, ir.DataType.FLOAT) and fits_attribute(0.5, ir.DataType.DOUBLE)
    assert not fits_attribute(0.1, ir.DataType.DOUBLE)


def test_close_means_four_ulp_of_the_dtype():
    assert is_close(np.float32(2**0.5), 2**0.5, ir.DataType.FLOAT)
    assert not is_close(1.4142, 2**0.5, ir.DataType.FLOAT)
    assert is_close(1.4142, 2**0.5, ir.DataType.FLOAT16)
