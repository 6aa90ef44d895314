"""tabulate_codes.py: functions of one code become tables. Oracle: ONNX Runtime on the model as it stands."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.quantised import tabulate_codes
from burnish.passes.quantised.tabulate_codes import TabulateCodes
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import run_ort

READ = "d = DequantizeLinear(x, s, z) "
U8 = {"s": np.float32(0.05), "z": np.uint8(131)}
S8 = {"s": np.float32(0.05), "z": np.int8(-4)}
TO_S8 = {"t": np.float32(0.03), "o": np.int8(-60)}
FUNCTIONS = {
    "an activation": ("uint8", READ + "a = Tanh(d) y = QuantizeLinear(a, t, o)", {**U8, **TO_S8}),
    "signed codes": ("int8", READ + "a = LeakyRelu<alpha=0.1>(d) y = QuantizeLinear(a, t, o)", {**S8, **TO_S8}),
    "a gate of codes": (
        "int8",
        READ + "a = Sigmoid(d) q = QuantizeLinear(a, g, n) b = DequantizeLinear(q, g, n) c = Mul(d, b) "
        "y = QuantizeLinear(c, t, o)",
        {**S8, **TO_S8, "g": np.float32(1 / 256), "n": np.uint8(0)},
    ),
    "numbers that are codes": (
        "uint8",
        READ + "e = DequantizeLinear(k, s) a = Add(d, e) b = Mul(a, f) y = QuantizeLinear(b, t, o)",
        {**U8, **TO_S8, "k": np.uint8([9]), "f": np.float32([[[0.3]]])},
    ),
}


@pytest.mark.parametrize("dtype, body, weights", FUNCTIONS.values(), ids=FUNCTIONS.keys())
def test_every_code_gives_what_the_nodes_give(dtype, body, weights):
    model = build(f"{dtype}[1,1,256] x", body, **weights)
    before = model.clone()
    lines = [line.replace("table_1", "table") for line in assert_fires_once(model, TabulateCodes())]
    assert lines[-2:] == ["_ = Cast(x) to=6", "y = Gather(table[256], _) axis=0"]
    codes = np.arange(256).astype(np.uint8).view(dtype).reshape(1, 1, 256)
    (want,), (got,) = run_ort(before, {"x": codes}), run_ort(model, {"x": codes})
    assert np.unique(want).size > 20
    np.testing.assert_array_equal(got, want)


def test_a_value_that_others_read_stays():
    body = READ + "a = Sigmoid(d) q = QuantizeLinear(a, t, o) b = DequantizeLinear(q, t, o) y = Add(a, b)"
    lines = assert_fires_once(build("uint8[256] x", body, **U8, **TO_S8), TabulateCodes())
    assert "a = Sigmoid(d)" in lines and "q = Gather(table[256], _) axis=0" in lines


SKIPS = {
    "16 bits": ("uint8[4] x", READ + "a = Exp(d) y = QuantizeLinear(a, s, w)", {"w": np.uint16(0)},
                "its codes are not of 8 bits"),
    "two tensors of codes": (
        "uint8[4] x, uint8[4] w",
        READ + "e = DequantizeLinear(w, s, z) a = Add(d, e) y = QuantizeLinear(a, s, z)",
        {},
        "it is no function of one code",
    ),
    "numbers along an axis": (
        "uint8[4] x",
        READ + "a = Add(d, k) y = QuantizeLinear(a, s, z)",
        {"k": np.float32([1, 2, 3, 4])},
        "it is no function of one code",
    ),
    "a number with more axes": (
        "uint8[4] x",
        READ + "a = Add(d, k) y = QuantizeLinear(a, s, z)",
        {"k": np.float32([[1]])},
        "a number adds axes to the codes, or their rank is not known",
    ),
    "f32": ("float[4] x", "a = Exp(x) y = QuantizeLinear(a, s, z)", {}, "it is no function of one code"),
    "two nodes": (
        "uint8[4] x",
        READ + "y = QuantizeLinear(d, t, z)",
        {"t": np.float32(0.2)},
        "2 nodes cost no more than a table",
    ),
}  # fmt: skip


@pytest.mark.parametrize("inputs, body, weights, reason", SKIPS.values(), ids=SKIPS.keys())
def test_it_says_why_there_is_no_table(inputs, body, weights, reason):
    assert why(build(inputs, body, **{**U8, **weights}), TabulateCodes(), "QuantizeLinear") == reason


def test_what_the_evaluator_cannot_run_is_left_to_the_run(monkeypatch):
    def fails(*_: object) -> None:
        raise ValueError("no such operator")

    monkeypatch.setattr(tabulate_codes, "reference_of", fails)
    model = build("uint8[4] x", READ + "a = Tanh(d) y = QuantizeLinear(a, t, o)", **U8, **TO_S8)
    reason = "the reference evaluator says: no such operator"
    assert why(model, TabulateCodes(), "QuantizeLinear") == reason
