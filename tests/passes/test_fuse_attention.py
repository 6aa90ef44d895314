"""fuse_attention.py: scaled dot-product attention as exporters write it."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir
import pytest

from burnish.passes.fuse_attention import FuseAttention
from tests.passes.golden import assert_fires_once, assert_same_reference, build, golden, why
from tests.passes.models import assert_same_answers, random_feeds

QKV = "float[2,4,3,8] q, float[2,4,5,8] k, float[2,4,5,6] v"
SQUARE = "float[2,4,5,8] q, float[2,4,5,8] k, float[2,4,5,6] v"
SCALE = np.float32(8**-0.5)
C: dict[str, Any] = {
    "c": SCALE,
    "root": np.float32(8**0.5),
    "half": np.float32(8**-0.25),
    "lowest": np.float32("-inf"),
    "low": np.float32(-1e9),
    "zero": np.float32(0),
    "minus": np.float32(-1),
    "cap": np.float32(30),
    "two": np.array([2]),
    "shape5": np.array([2, 2, 3, 5, 8]),
    "shape4": np.array([2, 6, 5, 8]),
    "w": np.ones((2, 4, 8, 5), np.float32),
}
TRIANGLE = np.triu(np.full((1, 1, 5, 5), -1e9, np.float32), 1)


def build_attention(body: str, inputs: str = QKV, **weights: Any) -> ir.Model:
    used = {n: v for n, v in C.items() if f"{n})" in body or f"({n}," in body or f" {n}," in body}
    return build(inputs, body, **weights, **used)


PRODUCT = "t = Transpose <perm=[0,1,3,2]> (k) s = MatMul(q, t) "
END = "p = Softmax <axis=-1> (h) y = MatMul(p, v)"
PLAIN = "y = Attention(q, k, v, -) scale=0.3536"


def check(body: str, want: list[str], inputs: str = QKV, reference: bool = False, **weights: Any) -> None:
    model = build_attention(body, inputs, **weights)
    before = model.clone()
    assert assert_fires_once(model, FuseAttention()) == want
    feeds = random_feeds(before)
    (assert_same_reference if reference else assert_same_answers)(before, model, feeds)


@pytest.mark.parametrize(
    "body",
    [
        PRODUCT + "h = Mul(s, c) " + END,
        PRODUCT + "h = Div(s, root) " + END,
        "a = Mul(q, c) t = Transpose <perm=[0,1,3,2]> (k) h = MatMul(a, t) " + END,
        "a = Div(q, root) t = Transpose <perm=[0,1,3,2]> (k) h = MatMul(a, t) " + END,
        "a = Mul(k, c) t = Transpose <perm=[0,1,3,2]> (a) h = MatMul(q, t) " + END,
        "t = Transpose <perm=[0,1,3,2]> (k) a = Mul(half, t) b = Mul(q, half) h = MatMul(b, a) " + END,
    ],
)
def test_the_scale_may_stand_anywhere(body):
    check(body, [PLAIN])


def test_a_product_without_a_scale_has_scale_one():
    check(PRODUCT.replace("s =", "h =") + END, ["y = Attention(q, k, v, -) scale=1"])


def test_the_transpose_that_splits_the_heads_is_absorbed():
    body = "t = Transpose <perm=[0,2,3,1]> (k) s = MatMul(q, t) h = Mul(s, c) " + END
    inputs = QKV.replace("float[2,4,5,8] k", "float[2,5,4,8] k")
    check(body, ["_ = Transpose(k) perm=(0,2,1,3)", "y = Attention(q, _, v, -) scale=0.3536"], inputs)


def test_a_key_that_comes_transposed_is_transposed_back():
    inputs = QKV.replace("float[2,4,5,8] k", "float[2,4,8,5] t")
    want = ["_ = Transpose(t) perm=(0,1,3,2)", "y = Attention(q, _, v, -) scale=0.3536"]
    check("s = MatMul(q, t) h = Mul(s, c) " + END, want, inputs)


@pytest.mark.parametrize("shape", ["2,4,3,5", "1,1,3,5", "2,1,1,5", "3,5"])
def test_a_float_mask_is_added(shape: str):
    body = PRODUCT + "u = Mul(s, c) h = Add(u, m) " + END
    check(body, ["y = Attention(q, k, v, m) scale=0.3536"], QKV + f", float[{shape}] m", reference=True)


def test_two_masks_are_added_up():
    body = PRODUCT + "u = Mul(s, c) g = Add(u, m) h = Add(g, n) " + END
    want = ["_ = Add(m, n)", "y = Attention(q, k, v, _) scale=0.3536"]
    check(body, want, QKV + ", float[1,4,3,5] m, float[2,1,3,5] n")


def test_a_selection_by_minus_infinity_is_a_bool_mask():
    model = build_attention(PRODUCT + "u = Mul(s, c) h = Where(m, u, lowest) " + END, QKV + ", bool[2,1,3,5] m")
    before = model.clone()
    assert assert_fires_once(model, FuseAttention()) == ["y = Attention(q, k, v, m) scale=0.3536"]
    feeds = random_feeds(before)
    feeds["m"][..., 0] = True
    assert_same_answers(before, model, feeds)


def test_an_inverted_selection_is_negated():
    inputs = QKV + ", bool[2,1,3,5] m"
    want = ["_ = Not(m)", "y = Attention(q, k, v, _) scale=0.3536"]
    model = build_attention(PRODUCT + "u = Mul(s, c) h = Where(m, lowest, u) " + END, inputs)
    before = model.clone()
    assert assert_fires_once(model, FuseAttention()) == want
    feeds = random_feeds(before) | {"m": np.zeros((2, 1, 3, 5), bool)}
    feeds["m"][:, :, 1, 2:] = True
    assert_same_answers(before, model, feeds)


def test_a_selection_by_a_finite_number_becomes_a_float_mask():
    inputs = QKV + ", bool[2,1,3,5] m"
    want = ["_ = Where(m, 0, -1e+09)", "y = Attention(q, k, v, _) scale=0.3536"]
    check(PRODUCT + "u = Mul(s, c) h = Where(m, u, low) " + END, want, inputs)


def test_an_added_selection_of_zero_and_minus_infinity_is_a_bool_mask():
    inputs = QKV + ", bool[2,1,3,5] m"
    body = "a = Where(m, zero, lowest) " + PRODUCT + "u = Mul(s, c) h = Add(u, a) " + END
    model = build_attention(body, inputs)
    before = model.clone()
    assert assert_fires_once(model, FuseAttention())[-1] == "y = Attention(q, k, v, m) scale=0.3536"
    feeds = random_feeds(before) | {"m": np.ones((2, 1, 3, 5), bool)}
    feeds["m"][:, :, :, 3] = False
    assert_same_answers(before, model, feeds)


def test_not_a_number_replaced_by_zero_is_taken_along():
    inputs = QKV + ", bool[2,1,3,5] m"
    end = "p = Softmax <axis=3> (h) n = IsNaN(p) o = Where(n, zero, p) y = MatMul(o, v)"
    body = PRODUCT + "u = Mul(s, c) h = Where(m, u, lowest) " + end
    model = build_attention(body, inputs)
    before = model.clone()
    assert assert_fires_once(model, FuseAttention()) == ["y = Attention(q, k, v, m) scale=0.3536"]
    feeds = random_feeds(before)
    feeds["m"][0, 0, 1] = False
    assert_same_reference(before, model, feeds)


def test_a_constant_triangle_is_causal():
    body = PRODUCT + "u = Mul(s, c) h = Add(u, m) " + END
    check(body, ["y = Attention(q, k, v, -) is_causal=1 scale=0.3536"], SQUARE, m=TRIANGLE)


def test_a_constant_mask_that_is_no_triangle_stays_a_mask():
    body = PRODUCT + "u = Mul(s, c) h = Add(u, m) " + END
    check(body, ["y = Attention(q, k, v, m[1,1,5,5]) scale=0.3536"], SQUARE, m=TRIANGLE.swapaxes(2, 3).copy())


def test_a_variable_square_mask_stays_a_mask():
    body = PRODUCT + "u = Mul(s, c) h = Add(u, m) " + END
    check(body, ["y = Attention(q, k, v, m) scale=0.3536"], SQUARE + ", float[5,5] m")


def test_an_added_selection_of_a_finite_number_stays_a_float_mask():
    body = "a = Where(m, zero, low) " + PRODUCT + "u = Mul(s, c) h = Add(u, a) " + END
    want = ["a = Where(m, 0, -1e+09)", "y = Attention(q, k, v, a) scale=0.3536"]
    check(body, want, QKV + ", bool[2,1,3,5] m")


def test_a_soft_cap_is_taken_along():
    body = PRODUCT + "u = Mul(s, c) d = Div(u, cap) e = Tanh(d) h = Mul(e, cap) " + END
    check(body, ["y = Attention(q, k, v, -) scale=0.3536 softcap=30"])


GROUPED = "float[2,6,3,8] q, float[2,2,5,8] k, float[2,2,5,8] v"
REPEAT = (
    "ka = Unsqueeze(k, two) kb = Expand(ka, shape5) kc = Reshape(kb, shape4) "
    "va = Unsqueeze(v, two) vb = Expand(va, shape5) vc = Reshape(vb, shape4) "
)


def test_repeated_heads_become_grouped_query_attention():
    body = (
        REPEAT + "t = Transpose <perm=[0,1,3,2]> (kc) s = MatMul(q, t) h = Mul(s, c) p = Softmax(h) y = MatMul(p, vc)"
    )
    check(body, [PLAIN], GROUPED)


def test_one_repeated_and_one_plain_side_are_left_as_they_are():
    body = (
        REPEAT.split("va =")[0]
        + "t = Transpose <perm=[0,1,3,2]> (kc) s = MatMul(q, t) h = Mul(s, c) p = Softmax(h) y = MatMul(p, v)"
    )
    model = build_attention(body, GROUPED.replace("float[2,2,5,8] v", "float[2,6,5,8] v"))
    assert golden(model)[:3] == assert_fires_once(model, FuseAttention())[:3]


def test_one_head_of_keys_may_serve_all_queries():
    inputs = QKV.replace("float[2,4,5,8] k", "float[2,1,5,8] k").replace("float[2,4,5,6] v", "float[2,1,5,6] v")
    check(PRODUCT + "h = Mul(s, c) " + END, [PLAIN], inputs)


def test_symbolic_batch_and_lengths_are_fine():
    inputs = "float[B,4,S,8] q, float[B,4,T,8] k, float[B,4,T,8] v, float[S,T] m"
    body = PRODUCT + "u = Mul(s, c) h = Add(u, m) " + END
    check(body, ["y = Attention(q, k, v, m) scale=0.3536"], inputs)


def test_a_second_use_of_the_keys_is_no_obstacle():
    body = PRODUCT + "h = Mul(s, c) p = Softmax(h) o = MatMul(p, v) r = ReduceMean(t) y = Add(o, r)"
    model = build_attention(body)
    before = model.clone()
    assert assert_fires_once(model, FuseAttention())[1] == "o = Attention(q, k, v, -) scale=0.3536"
    assert_same_answers(before, model, random_feeds(before))


MASKED = PRODUCT + "u = Mul(s, c) h = Add(u, m) [n] p = Softmax(h) y = MatMul(p, v)"
SOFTMAX = "[n] p = Softmax(h) y = MatMul(p, v)"
REFUSED = {
    "another axis": (PRODUCT + "[n] p = Softmax <axis=2> (s) y = MatMul(p, v)", QKV, "n is over axis 2, not the last"),
    "an output": (
        PRODUCT + "[n] y = Softmax(s)",
        QKV,
        "the probabilities y have 0 users or are an output of the graph",
    ),
    "used twice": (
        PRODUCT + "[n] p = Softmax(s) o = MatMul(p, v) r = ReduceMean(p) y = Add(o, r)",
        QKV,
        "the probabilities p have 2 users",
    ),
    "not multiplied": (
        PRODUCT + "[n] p = Softmax(s) y = Relu(p)",
        QKV,
        "are used by Relu, not as the left of a MatMul",
    ),
    "on the right": (
        PRODUCT + "[n] p = Softmax(s) y = MatMul(z, p)",
        QKV + ", float[2,4,6,3] z",
        "are used by MatMul, not as the left",
    ),
    "rank 3": (
        "t = Transpose <perm=[0,2,1]> (k) s = MatMul(q, t) [n] p = Softmax(s) y = MatMul(p, v)",
        "float[2,3,8] q, float[2,5,8] k, float[2,5,6] v",
        "the scores s are not known to have rank 4",
    ),
    "subtracted": (
        PRODUCT + "h = Sub(m, s) " + SOFTMAX,
        QKV + ", float[3,5] m",
        "h is no sum of scores and masks",
    ),
    "a number added": (PRODUCT + "h = Add(s, c) " + SOFTMAX, QKV, "h is no sum of scores and masks"),
    "no product": (
        "[n] p = Softmax(q) y = MatMul(p, v)",
        "float[2,4,3,5] q, float[2,4,5,6] v",
        "no term of q is a scaled product",
    ),
    "a weight": ("h = MatMul(q, w) " + SOFTMAX, QKV, "no term of h is a scaled product of two activations"),
    "negative": (PRODUCT + "h = Mul(s, minus) " + SOFTMAX, QKV, "no term of h is a scaled product of two activations"),
    "scores used twice": (
        PRODUCT + "h = Mul(s, c) [n] p = Softmax(h) o = MatMul(p, v) r = ReduceMean(s) y = Add(o, r)",
        QKV,
        "no term of h is a scaled product of two activations used only there",
    ),
    "scaled scores used twice": (
        PRODUCT + "h = Mul(s, c) [n] p = Softmax(h) o = MatMul(p, v) r = ReduceMean(h) y = Add(o, r)",
        QKV,
        "Mul result h has 1 other users",
    ),
    "nothing else": (PRODUCT + "h = Relu(s) " + SOFTMAX, QKV, "no term of h is a scaled product"),
    "a selection of masks": (
        PRODUCT + "u = Mul(s, c) h = Where(m, u, r) " + SOFTMAX,
        QKV + ", bool[3,5] m, float[3,5] r",
        "no term of h is a scaled product",
    ),
    "a cap of something else": (
        "d = Relu(z) e = Tanh(d) h = Mul(e, cap) " + SOFTMAX,
        "float[2,4,3,5] z, float[2,4,5,6] v",
        "no term of h is a scaled product",
    ),
    "a cap of two values": (
        "d = Mul(z, z) e = Tanh(d) h = Mul(e, cap) " + SOFTMAX,
        "float[2,4,3,5] z, float[2,4,5,6] v",
        "no term of h is a scaled product",
    ),
    "batch": (
        PRODUCT + "h = Mul(s, c) " + SOFTMAX,
        QKV.replace("float[2,4,5,8] k", "float[1,4,5,8] k"),
        "the batch sizes differ",
    ),
    "heads": (
        PRODUCT + "h = Mul(s, c) " + SOFTMAX,
        QKV.replace("float[2,4,5,8] k", "float[2,1,5,8] k"),
        "4 heads of q cannot share 1 of k and 4 of v",
    ),
    "large heads": (
        PRODUCT + "h = Mul(s, c) " + SOFTMAX,
        QKV.replace(",8]", ",320]"),
        "heads of 320 and 6: only known sizes up to 256",
    ),
    "heads of unknown size": (
        PRODUCT + "h = Mul(s, c) " + SOFTMAX,
        QKV.replace(",8]", ",D]"),
        "heads of D and 6: only known sizes",
    ),
    "capped and masked": (
        PRODUCT + "u = Mul(s, c) d = Div(u, cap) e = Tanh(d) f = Mul(e, cap) h = Add(f, m) " + SOFTMAX,
        QKV + ", float[3,5] m",
        "scores are capped and masked",
    ),
    "mask too short": (MASKED, QKV + ", float[2,1,3,1] m", "the mask m is 1 long, the keys 5"),
    "mask rank": (MASKED, QKV + ", float[5] m", "the mask m is not known to have rank 2 to 4"),
    "mask widens": (
        MASKED,
        QKV.replace("2,4,", "1,4,") + ", float[2,1,3,5] m",
        "the mask m has size 2 where the scores have 1",
    ),
}


@pytest.mark.parametrize("body, inputs, reason", REFUSED.values(), ids=REFUSED.keys())
def test_it_declines(body, inputs, reason):
    assert reason in why(build_attention(body, inputs), FuseAttention(), "n")


def test_unknown_shapes_are_left_alone():
    model = build_attention(PRODUCT + "h = Mul(s, c) " + SOFTMAX)
    next(v for v in model.graph.inputs if v.name == "v").shape = None
    assert "are not all known to have rank 4" in why(model, FuseAttention(), "n")


def test_a_mask_of_another_dtype_is_left_alone():
    model = build_attention(MASKED, QKV + ", float[3,5] m")
    next(v for v in model.graph.inputs if v.name == "m").dtype = ir.DataType.DOUBLE
    assert why(model, FuseAttention(), "n") == "the mask m is DOUBLE, the scores FLOAT"


def test_a_scale_that_f32_would_round_is_left_alone_in_f64():
    model = build(
        QKV.replace("float", "double"), PRODUCT + "h = Mul(s, c) " + SOFTMAX, dtype="double", c=np.float64(0.3)
    )
    assert "would be rounded to f32" in why(model, FuseAttention(), "n")
