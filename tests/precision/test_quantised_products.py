"""quantised_products.py: a row for each product of quantised tensors, and the reason why it keeps f32."""

from __future__ import annotations

import numpy as np

from burnish.passes.pipeline import optimize
from burnish.passes.rewrite.context import PassContext
from burnish.precision.precision import Decision
from burnish.precision.quantised_products import as_one, product_notes, quantised_products
from tests.passes.golden import build

READ = "q = QuantizeLinear(x, s, z) d = DequantizeLinear(q, s, z) v = DequantizeLinear(w, s) "
WEIGHTS = {"s": np.float32(0.1), "z": np.uint8(7), "w": np.arange(9, dtype=np.int8).reshape(3, 3)}
BODY = READ + "a = MatMul(d, v) b = Add(a, a) c = MatMul(b, v) e = MatMul(c, x) i = MatMulInteger(q, w) y = Identity(e)"


def rows(integer_products: bool, blocked_weights: bool = False) -> tuple[Decision, ...]:
    model = build("float[3,3] x", BODY.replace("y =", "f = Cast<to=1>(i) g = Add(f, e) y ="), **WEIGHTS)
    for node in model.graph:
        node.name = f"node_{node.outputs[0].name}"
    body = next(n for n in model.graph if n.name == "node_y")
    body.replace_input_with(0, next(n for n in model.graph if n.name == "node_g").outputs[0])
    report = optimize(model, PassContext(integer_products=integer_products, blocked_weights=blocked_weights))
    return quantised_products(model, report)


def test_each_quantised_product_has_a_row():
    assert set(rows(True)) == {
        Decision("node_a", "MatMulInteger", "f32", "int8", "its data and its weight are quantised"),
        Decision("node_c", "MatMul", "f32", "f32", "b is not dequantised"),
        Decision("node_i", "MatMulInteger", "int8", "int8", "its data and its weight are quantised"),
    }


def test_the_note_counts_them():
    assert list(product_notes(rows(True))) == [
        "2 of 3 quantised products run on integers; --explain-precision says which and why"
    ]
    assert list(product_notes(())) == []


def test_weights_of_few_bits_have_rows_and_a_note_of_their_own():
    found = rows(True, blocked_weights=True)
    why = "its data are not quantised; kernels read the codes, and sums are f32"
    assert Decision("node_c", "MatMul", "f32", "8-bit codes", why) in found
    assert list(product_notes(found)) == [
        "products that read their weights in few bits: 1; --explain-precision says which",
        "2 of 2 quantised products run on integers; --explain-precision says which and why",
    ]


def test_a_product_that_ranges_quantised_has_one_row_with_scale_and_outcome():
    scaled = [Decision(n, "MatMul", "f32", "int8", "x is int8 of scale 0.1") for n in ("a", "b", "gpu")]
    kept = Decision("k", "MatMul", "f32", "f32", "it was asked to stay")
    own = Decision("own", "MatMul", "f32", "f32", "y is not dequantised")
    products = [Decision("a", "MatMulInteger", "f32", "int8", "its data and its weight are quantised")]
    products += [Decision("b", "MatMul", "f32", "f32", "sums may not fit 32 bits"), own]
    assert as_one([*scaled, kept], products) == (
        scaled[0],
        Decision("b", "MatMul", "f32", "f32", "sums may not fit 32 bits; x is int8 of scale 0.1"),
        scaled[2],
        kept,
        own,
    )
