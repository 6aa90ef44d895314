"""lift_float8.py: numbers become float8 before they are moved. Oracle: onnx.reference, bit by bit."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest

from burnish.passes.quantised.lift_float8 import LiftFloat8
from tests.passes.golden import assert_fires_once, build, run_reference, why
from tests.passes.models import random_feeds

DATA = {"s": np.float32(0.03), "z": np.zeros((), ml_dtypes.float8_e4m3fn), "n": np.array([3, 2, 4]), "o": np.array([1])}
MOVES = {
    "Reshape": "m = Reshape(r, n)",
    "Transpose": "m = Transpose<perm=[1,0]>(r)",
    "Unsqueeze": "m = Unsqueeze(r, o)",
    "Slice": "m = Slice(r, o, e)",
    "two of them": "a = Transpose<perm=[1,0]>(r) m = Unsqueeze(a, o)",
}


@pytest.mark.parametrize("name", MOVES)
def test_codes_are_moved(name: str):
    body = f"r = Relu(x) {MOVES[name]} w = QuantizeLinear(m, s, z) y = DequantizeLinear(w, s, z)"
    model = build("float[6,4] x", body, **DATA, e=np.array([4]))
    before = model.clone()
    assert_fires_once(model, LiftFloat8())
    assert [n.op_type for n in model.graph][:2] == ["Relu", "QuantizeLinear"]
    feeds = random_feeds(before)
    np.testing.assert_array_equal(run_reference(model, feeds)[0], run_reference(before, feeds)[0])


def test_numbers_that_others_read_stay_where_they_are():
    tail = "w = QuantizeLinear(m, s, z) d = DequantizeLinear(w, s, z)"
    for body in (f"r = Relu(x) m = Neg(r) {tail} y = Neg(d)", f"r = Relu(x) m = Transpose(r) {tail} y = Add(d, m)"):
        assert why(build("float[4,4] x", body, **DATA), LiftFloat8(), "QuantizeLinear")
    integers = {**DATA, "z": np.uint8(0)}
    body = f"r = Relu(x) m = Transpose(r) {tail} y = Neg(d)"
    assert "no float8" in why(build("float[4,4] x", body, **integers), LiftFloat8(), "QuantizeLinear")
