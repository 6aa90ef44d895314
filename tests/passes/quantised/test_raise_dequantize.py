"""raise_dequantize.py: numbers where products of f32 read them. Oracle: onnx.reference on the graph as it stands."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.quantised.raise_dequantize import RaiseDequantize
from tests.passes.golden import assert_fires_once, build, run_reference, why

GIVEN = {"s": np.float32(0.03), "z": np.uint8(120), "n": np.array([2, 3, 2, 4])}
CODES = "q = QuantizeLinear(x, s, z) r = Reshape(q, n) t = Transpose<perm=[0,2,1,3]>(r) d = DequantizeLinear(t, s, z) "
INPUTS = "float[2,3,8] x, float[2,2,4,5] w"


@pytest.mark.parametrize("product", ["y = MatMul(d, w)", "y = Attention(d, d, d)"])
def test_numbers_are_made_where_codes_are(product: str):
    model = build(INPUTS, CODES + product, **GIVEN)
    before = model.clone()
    assert [line.split(" = ")[1].split("(")[0] for line in assert_fires_once(model, RaiseDequantize())] == [
        "QuantizeLinear", "DequantizeLinear", "Reshape", "Transpose", product.split(" = ")[1].split("(")[0],
    ]  # fmt: skip
    rng = np.random.default_rng(0)
    feeds = {"x": rng.standard_normal((2, 3, 8)), "w": rng.standard_normal((2, 2, 4, 5))}
    feeds = {n: a.astype(np.float32) for n, a in feeds.items()}
    np.testing.assert_array_equal(run_reference(model, feeds)[0], run_reference(before, feeds)[0])


SKIPS = {
    "another reader": (CODES + "e = Relu(d) m = MatMul(d, w) y = Sum(m, m)", "no product alone reads its numbers"),
    "two readers of codes": (CODES + "m = MatMul(d, w) c = Cast<to=1>(r) y = MatMul(c, c)", "r has other users"),
    "nothing moves": (
        "q = QuantizeLinear(v, s, z) d = DequantizeLinear(q, s, z) y = MatMul(d, w)",
        "nothing moves its codes",
    ),
    "codes of the model": (
        "t = Transpose(u) d = DequantizeLinear(t, s, z) y = MatMul(d, w)",
        "u is not quantised for it alone",
    ),
}  # fmt: skip


@pytest.mark.parametrize("body, reason", SKIPS.values(), ids=SKIPS.keys())
def test_it_says_why_codes_are_moved(body: str, reason: str):
    inputs = f"{INPUTS}, float[2,2,3,4] v, uint8[4,3,2,2] u"
    model = build(inputs, body, **GIVEN)
    assert why(model, RaiseDequantize(), "DequantizeLinear") == reason
