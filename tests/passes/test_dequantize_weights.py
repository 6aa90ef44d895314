"""dequantize_weights.py: constants behind DequantizeLinear become weights, activations stay quantised."""

from __future__ import annotations

import numpy as np
import onnx.parser
import onnx_ir as ir
import pytest

import burnish
from burnish.errors import UserError
from burnish.passes.dequantize_weights import dequantize_weights
from burnish.passes.rewrite.context import PassContext
from tests.passes.models import add_constants, assert_same_answers, parse, random_feeds, run_ort

TEXT = """agraph (float[1,2] x) => (float[1,2] y) <
    float s = {0.5}, int8 z = {3}, int8[2,2] w = {1, 2, 3, 127}, float[2] c = {0.25, 2.0}, int8[2] k = {0, 1} > {
    q = QuantizeLinear (x, s, z)
    d = DequantizeLinear (q, s, z)
    v = DequantizeLinear <axis = 1> (w, c, k)
    y = MatMul (d, v)
}"""


def test_a_quantised_weight_becomes_its_value_and_an_activation_stays():
    model = parse(TEXT)
    feeds = random_feeds(model)
    assert_same_answers(parse(TEXT), model, feeds)
    assert dequantize_weights(model, PassContext()) == 1
    assert_same_answers(parse(TEXT), model, feeds)
    left = [n for n in model.graph if n.op_type == "DequantizeLinear"]
    assert [n.outputs[0].name for n in left] == ["d"]
    weight = next(n for n in model.graph if n.op_type == "MatMul").inputs[1]
    expected = (np.array([[1, 2], [3, 127]]) - [0, 1]) * [0.25, 2.0]
    assert (weight.const_value.numpy() == expected.astype(np.float32)).all()


@pytest.mark.parametrize("axis_and_blocks", ["axis = 0", "axis = 0, block_size = 4"])
def test_scales_that_do_not_fit_are_left_to_the_definition_which_refuses_them(axis_and_blocks):
    """As NNCF 3.4 writes for convolutions; ONNX Runtime refuses them when it runs."""
    text = f"""<ir_version: 10, opset_import: ["" : 21]> agraph (float[1,6] x) => (float[1,4] y) <
        int8[6,4] w = {{{", ".join("1" * 24)}}}, float[1,4] s = {{1.0, 1.0, 1.0, 1.0}}> {{
        v = DequantizeLinear <{axis_and_blocks}> (w, s)
        y = MatMul (x, v)
    }}"""
    with pytest.raises(UserError, match="E203"):
        burnish.build(onnx.parser.parse_model(text), target="cpu:x86-64-v2")


def test_a_second_run_changes_nothing():
    model = parse(TEXT)
    dequantize_weights(model, PassContext())
    assert dequantize_weights(model, PassContext()) == 0


@pytest.mark.parametrize("zeros", ["none", "codes", "floats"])
def test_a_product_of_codes_is_spelled_out_for_targets_without_its_kernels(zeros: str):
    def model() -> ir.Model:
        r = np.random.default_rng(0)
        arrays = {
            "w": r.integers(0, 256, (3, 2, 8)).astype(np.uint8),
            "s": r.standard_normal((3, 2)).astype(np.float32),
            "z": r.integers(0, 256, (3, 1)).astype(np.uint8) if zeros == "codes" else r.random((3, 2), np.float32),
            "c": r.random(3, np.float32),
        }
        types = {np.uint8: "uint8", np.float32: "float"}
        inputs = ", ".join(f"{types[a.dtype.type]}[{','.join(map(str, a.shape))}] {n}" for n, a in arrays.items())
        call = (
            f"com.microsoft.MatMulNBits<K=20,N=3,bits=4,block_size=16>(x, w, s, {'' if zeros == 'none' else 'z'}, , c)"
        )
        head = '<ir_version: 10, opset_import: ["" : 21, "com.microsoft" : 1]>'
        return add_constants(
            parse(f"{head} agraph (float[2,20] x, {inputs}) => (float[2,3] y) {{ y = {call} }}"), arrays
        )

    changed, kept = model(), model()
    assert dequantize_weights(kept, PassContext(blocked_weights=True)) == 0
    assert dequantize_weights(changed, PassContext()) == 1
    assert [n.op_type for n in changed.graph] == ["MatMul", "Add"]
    feeds = {"x": np.random.default_rng(1).standard_normal((2, 20)).astype(np.float32)}
    np.testing.assert_allclose(run_ort(changed, feeds)[0], run_ort(model(), feeds)[0], rtol=1e-5, atol=1e-6)
