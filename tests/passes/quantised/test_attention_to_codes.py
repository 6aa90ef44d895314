"""attention_to_codes.py: attention of float8 is of codes.

What it computes is compared with onnx.reference in tests/targets/cuda/test_float8_attention.py.
"""

from __future__ import annotations

from typing import Any

import ml_dtypes
import numpy as np
import onnx_ir as ir
import pytest

from burnish.passes.quantised.attention_to_codes import AttentionIntoCodes, AttentionToCodes, SoftmaxToCodes
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import apply

ZERO = np.zeros((), ml_dtypes.float8_e4m3fn)
DATA: dict[str, Any] = {
    "z": ZERO,
    "sq": np.float32(0.5),
    "sk": np.float32(0.25),
    "sv": np.float32(0.125),
    "sp": np.float32(1 / 448),
    "so": np.float32(2),
    "c": np.float32(0.5),
}
INPUTS = "float[2,3,5,8] q, float[2,3,7,8] k, float[2,3,7,4] v"
READ = " ".join(f"q{n} = QuantizeLinear({n}, s{n}, z) d{n} = DequantizeLinear(q{n}, s{n}, z)" for n in "qkv")
SCORES = "t = Transpose<perm=[0,1,3,2]>(dk) s = MatMul(dq, t) u = Mul(s, c) p = Softmax<axis=-1>(u) "
ROUNDED = "w = QuantizeLinear(p, sp, z) r = DequantizeLinear(w, sp, z) "
FUSED = f"{READ} y = Attention<scale=0.5>(dq, dk, dv)"
APART = f"{READ} {SCORES} {ROUNDED} y = MatMul(r, dv)"


def only(model: ir.Model) -> ir.Node:
    (node,) = [n for n in model.graph if n.op_type == "AttentionOfCodes"]
    assert node.domain == "ai.burnish"
    assert {str(v.dtype) for v in node.inputs[:3] if v is not None} == {"FLOAT8E4M3FN"}
    return node


def attributes(node: ir.Node) -> dict[str, Any]:
    return {name: a.value for name, a in node.attributes.items()}


def test_an_attention_of_float8_is_of_codes_and_takes_their_scales():
    model = build(INPUTS, FUSED, **DATA)
    assert_fires_once(model, AttentionToCodes())
    assert attributes(only(model)) == {"scale": 0.5**2 * 0.25, "value_scale": 0.125}


def test_a_softmax_that_is_rounded_to_codes_is_part_of_it():
    model = build(INPUTS, APART, **DATA)
    assert_fires_once(model, SoftmaxToCodes())
    node = only(model)
    known = {"scale": 0.5**2 * 0.25, "value_scale": 0.125, "weight_scale": float(np.float32(1 / 448))}
    assert attributes(node) == known
    assert [list(v.shape or ()) for v in node.inputs[:3] if v is not None] == [[2, 3, 5, 8], [2, 3, 7, 8], [2, 3, 7, 4]]


def test_masks_and_causal_ones_are_kept():
    model = build(f"{INPUTS}, float[2,1,5,7] m", FUSED.replace("dv)", "dv, m)"), **DATA)
    assert_fires_once(model, AttentionToCodes())
    assert str(only(model).inputs[3].name) == "m"  # type: ignore[union-attr]
    square = INPUTS.replace("[2,3,5,8] q", "[2,3,7,8] q")
    model = build(square, FUSED.replace("<scale=0.5>", "<is_causal=1>"), **DATA)
    assert_fires_once(model, AttentionToCodes())
    assert attributes(only(model)) == {
        "scale": pytest.approx(8**-0.5 * 0.125),
        "value_scale": 0.125,
        "is_causal": 1,
    }


def test_views_between_the_codes_and_the_attention_move_codes():
    inputs = "float[2,5,24] q, float[2,3,7,8] k, float[2,3,7,4] v"
    heads = "h = Reshape(dq, n) dh = Transpose<perm=[0,2,1,3]>(h)"
    model = build(inputs, f"{READ} {heads} y = Attention(dh, dk, dv)", **DATA, n=np.array([2, 5, 3, 8]))
    lines = assert_fires_once(model, AttentionToCodes())
    only(model)
    assert not any("Reshape(dq" in line for line in lines) and any("Reshape(qq" in line for line in lines)


def test_repeated_heads_are_read_once():
    inputs = "float[2,6,5,8] q, float[2,3,7,8] k, float[2,3,7,4] v"
    repeat = " ".join(f"u{n} = Unsqueeze(d{n}, a) e{n} = Expand(u{n}, x{n}) r{n} = Reshape(e{n}, h{n})" for n in "kv")
    sizes = {
        "a": np.array([2]),
        "xk": np.array([2, 3, 2, 7, 8]),
        "xv": np.array([2, 3, 2, 7, 4]),
        "hk": np.array([2, 6, 7, 8]),
        "hv": np.array([2, 6, 7, 4]),
    }
    model = build(inputs, f"{READ} {repeat} y = Attention(dq, rk, rv)", **DATA, **sizes)
    assert_fires_once(model, AttentionToCodes())
    assert [list(v.shape or ()) for v in only(model).inputs[:3] if v is not None][1:] == [[2, 3, 7, 8], [2, 3, 7, 4]]


def test_what_makes_codes_of_its_result_is_part_of_it():
    model = build(INPUTS, FUSED.replace("y =", "o =") + " y = QuantizeLinear(o, so, z)", **DATA)
    assert_fires_once(model, AttentionToCodes(), AttentionIntoCodes())
    assert attributes(only(model))["out_scale"] == 2.0
    assert [n.op_type for n in model.graph][-1] == "AttentionOfCodes"


def test_a_result_with_two_readers_stays_numbers():
    body = FUSED.replace("y =", "o =") + " w = QuantizeLinear(o, so, z) d = DequantizeLinear(w, so, z) y = Add(d, o)"
    model = build(INPUTS, body, **DATA)
    assert apply(model, AttentionToCodes())[0] == 1
    changes, report = apply(model, AttentionIntoCodes())
    assert changes == 0 and any("other users" in reason for reason in report.declined.values())


CAPPED = f"{READ} y = Attention<softcap=2.0, is_causal=1>(dq, dk, dv)"
SKIPS: dict[str, tuple[str, dict[str, Any], str]] = {
    "integers": (FUSED, {"z": np.uint8(0)}, "no f32 made of float8"),
    "plain queries": (FUSED.replace("(dq,", "(q,"), {}, "q is not dequantised"),
    "a negative scale": (FUSED, {"sv": np.float32(-0.125)}, "not one positive number"),
    "its scores are read": (
        FUSED.replace("y =", "o, , , x =") + " e = ReduceSum(x) y = Add(o, e)",
        {},
        "its scores are read",
    ),
    "capped and causal": (CAPPED, {}, "capped and masked"),
}


@pytest.mark.parametrize("name", SKIPS)
def test_other_attentions_are_left_alone(name: str):
    body, other, reason = SKIPS[name]
    inputs = INPUTS.replace("[2,3,5,8] q", "[2,3,7,8] q")
    assert reason in why(build(inputs, body, **{**DATA, **other}), AttentionToCodes(), "Attention")


APART_SKIPS = {
    "another scale behind it": (ROUNDED.replace("(w, sp", "(w, so"), "another scale"),
    "a softmax that stays f32": ("r = Identity(p) ", "not read by one QuantizeLinear alone"),
    "a zero point": (ROUNDED.replace("p, sp, z", "p, sp, one").replace("w, sp, z", "w, sp, one"), "has a zero point"),
    "two readers": (ROUNDED + "extra = Neg(p) ", "not read by one QuantizeLinear alone"),
}


@pytest.mark.parametrize("name", APART_SKIPS)
def test_other_softmaxes_are_left_alone(name: str):
    between, reason = APART_SKIPS[name]
    last = "o = MatMul(r, dv) e = ReduceSum(extra) y = Add(o, e)" if "extra" in between else "y = MatMul(r, dv)"
    one = np.ones((), ml_dtypes.float8_e4m3fn)
    model = build(INPUTS, f"{READ} {SCORES} {between} {last}", **DATA, one=one)
    assert reason in why(model, SoftmaxToCodes(), "Softmax")
