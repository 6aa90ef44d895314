"""pack_weights.py: which weights stay codes, that MatMulNBits means the same to ONNX Runtime, and why others do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from burnish.passes.quantised.pack_weights import PackWeights
from burnish.passes.rewrite.context import PassReport
from burnish.passes.rewrite.rule import apply_rules
from tests.passes.models import add_constants, parse, run_ort

S4, U4, S8, U8 = (ir.DataType(n).numpy() for n in (22, 21, 3, 2))
RNG = np.random.default_rng(0)


def model_of(body: str, constants: dict[str, Any]) -> ir.Model:
    """x [2, 20] times a weight [20, 3]"""
    names = ", ".join(f"{_NAMES[a.dtype.name]}[{','.join(map(str, a.shape))}] {n}" for n, a in constants.items())
    return add_constants(parse(f"agraph (float[2,20] x, {names}) => (float[2,3] y) {{ {body} }}"), constants)


_NAMES = {"int4": "int4", "uint4": "uint4", "int8": "int8", "uint8": "uint8", "int16": "int16", "float32": "float"}


def codes(dtype: Any, *shape: int) -> Any:
    limits = {"int4": (-8, 8), "uint4": (0, 16), "uint8": (0, 256), "int16": (-9, 9)}
    return RNG.integers(*limits.get(np.dtype(dtype).name, (-128, 128)), shape).astype(dtype)


def scales(*shape: int) -> Any:
    return RNG.standard_normal(shape).astype(np.float32)


FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "blocks": (
        "v = DequantizeLinear<axis=1, block_size=16>(w, s) t = Transpose<perm=[1,0]>(v) y = MatMul(x, t)",
        {"w": codes(S4, 3, 20), "s": scales(3, 2)},
    ),
    "blocks of columns with zero points": (
        "v = DequantizeLinear<axis=0, block_size=16>(w, s, z) y = MatMul(x, v)",
        {"w": codes(U4, 20, 3), "s": scales(2, 3), "z": codes(U4, 2, 3)},
    ),
    "a scale a column, from the back": (
        "v = DequantizeLinear<axis=-1>(w, s, z) y = MatMul(x, v)",
        {"w": codes(S8, 20, 3), "s": scales(3), "z": codes(S8, 3)},
    ),
    "one scale, Gemm": (
        "v = DequantizeLinear(w, s, z) y = Gemm<transB=1, alpha=0.5, beta=2.0>(x, v, c)",
        {"w": codes(U8, 3, 20), "s": scales(), "z": np.array(128, U8), "c": scales(3)},
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_weights_of_few_bits_stay_codes(form: str):
    model, before = model_of(*FORMS[form]), model_of(*FORMS[form])
    assert apply_rules(model.graph, (PackWeights(),), PassReport()) == 1
    assert not {n.op_type for n in model.graph} & {"DequantizeLinear", "Transpose", "MatMul", "Gemm"}
    model.graph.opset_imports["com.microsoft"] = 1
    x = {"x": RNG.standard_normal((2, 20)).astype(np.float32)}
    for got, want in zip(run_ort(model, x), run_ort(before, x)):
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)
    assert apply_rules(model.graph, (PackWeights(),), PassReport()) == 0


@pytest.mark.parametrize(
    ("body", "constants", "why"),
    [
        (
            "v = DequantizeLinear<axis=0>(w, s) y = MatMul(x, v)",
            {"w": codes(S8, 20, 3), "s": scales(20)},
            "a scale for each row that is summed",
        ),
        (
            "v = DequantizeLinear<axis=1, block_size=3>(w, s) y = MatMul(x, v)",
            {"w": codes(S8, 20, 3), "s": scales(20, 1)},
            "blocks along an axis that is not summed",
        ),
        (
            "v = DequantizeLinear<axis=0, block_size=4>(w, s) y = MatMul(x, v)",
            {"w": codes(S4, 20, 3), "s": scales(5, 3)},
            "a scale for each block of 4, which are no whole words",
        ),
        (
            "v = DequantizeLinear(w, s) y = MatMul(x, v)",
            {"w": codes(np.int16, 20, 3), "s": scales()},
            "are no matrix of 2, 4 or 8 bits",
        ),
        (
            "s = ReduceMax<keepdims=0>(x) v = DequantizeLinear(w, s) y = MatMul(x, v)",
            {"w": codes(S8, 20, 3)},
            "is computed",
        ),
        ("y = MatMul(x, w)", {"w": scales(20, 3)}, "its weight is not dequantised from a constant"),
    ],
)
def test_other_weights_are_left_alone(body: str, constants: dict[str, Any], why: str):
    model, report = model_of(body, constants), PassReport()
    assert apply_rules(model.graph, (PackWeights(),), report) == 0
    (found,) = report.why("PackWeights")
    assert why in found.reason


def test_data_without_rows_are_left_alone():
    text = "agraph (float[20] x, int8[20,3] w, float s) => (float[3] y) { v = DequantizeLinear(w, s) y = MatMul(x, v) }"
    model, report = add_constants(parse(text), {"w": codes(S8, 20, 3), "s": scales()}), PassReport()
    assert apply_rules(model.graph, (PackWeights(),), report) == 0
    assert [d.reason for d in report.why("PackWeights")] == ["its data are a vector, or of unknown rank"]
