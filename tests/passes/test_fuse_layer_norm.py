"""fuse_layer_norm.py: LayerNorm in the spellings of exporters."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.passes.fuse_layer_norm import FuseLayerNorm
from burnish.passes.fuse_rms_norm import FuseRmsNorm
from tests.passes.golden import assert_fires_once, build, why
from tests.passes.models import assert_same_answers, random_feeds

SIZES = {"w": (8,), "b": (8,)}
C = {
    "last": np.array([-1]),
    "one": np.array([1]),
    "pair": np.array([-2, -1]),
    "eps": np.float32(1e-5),
    "two": np.float32(2),
    "unit": np.float32(1),
    "power": np.float32(-0.5),
    "flat": np.full((1,) * 5, 1e-5, np.float32),
}


def build_norm(body: str, inputs: str = "float[2,3,8] x", **weights: object) -> object:
    return build(inputs, body, **weights, **{n: v for n, v in C.items() if f"{n})" in body or f"({n}," in body})


VARIANCE = "m = ReduceMean(x, last) d = Sub(x, m) p = Pow(d, two) v = ReduceMean(p, last) e = Add(v, eps) s = Sqrt(e) "
GOLDEN = "y = LayerNormalization(x, scale[8], bias[8]) axis=-1 epsilon=1e-05"
FIRES = {
    "torch": VARIANCE + "n = Div(d, s) k = Mul(n, w) y = Add(k, b)",
    "weights left": VARIANCE + "n = Div(d, s) k = Mul(w, n) y = Add(b, k)",
    "d * d": VARIANCE.replace("Pow(d, two)", "Mul(d, d)") + "n = Div(d, s) k = Mul(n, w) y = Add(k, b)",
    "reciprocal": VARIANCE + "r = Reciprocal(s) n = Mul(d, r) k = Mul(n, w) y = Add(k, b)",
    "1 / sqrt": VARIANCE + "r = Div(unit, s) n = Mul(d, r) k = Mul(n, w) y = Add(k, b)",
    "power -1/2": VARIANCE.replace("s = Sqrt(e)", "r = Pow(e, power)") + "n = Mul(d, r) k = Mul(n, w) y = Add(k, b)",
    "weight before d (jax)": VARIANCE + "r = Reciprocal(s) q = Mul(r, w) k = Mul(d, q) y = Add(k, b)",
}


@pytest.mark.parametrize("body", FIRES.values(), ids=FIRES.keys())
def test_the_spellings(body):
    model = build_norm(body, **SIZES)
    before = model.clone()
    assert assert_fires_once(model, FuseLayerNorm(), FuseRmsNorm()) == [GOLDEN]
    assert_same_answers(before, model, random_feeds(before))


FLAX = (
    "a = ReduceSum <keepdims=0> (x, one) q = Mul(x, x) c = ReduceSum <keepdims=0> (q, one) e = Mul(c, share) "
    "m = Mul(a, share) f = Mul(m, m) g = Sub(e, f) h = Relu(g) i = Reshape(h, back) j = Add(i, eps) k = Sqrt(j) "
    "l = Reciprocal(k) o = Mul(l, w) p = Reshape(m, back) d = Sub(x, p) "
)


def test_flax_with_its_variance_by_two_moments():
    flax = {"share": np.float32(1 / 8), "back": np.array([2, 1, 3]), "w": (1, 8, 1), "b": (1, 8, 1)}
    model = build_norm(FLAX + "r = Mul(d, o) y = Add(r, b)", "float[2,8,3] x", **flax)
    before = model.clone()
    lines = assert_fires_once(model, FuseLayerNorm(), FuseRmsNorm())
    assert [line.split(" = ")[1] for line in lines] == [
        "Transpose(x) perm=(0,2,1)",
        "LayerNormalization(_, scale[8], bias[8]) axis=-1 epsilon=1e-05",
        "Transpose(_) perm=(0,2,1)",
    ]
    assert_same_answers(before, model, random_feeds(before))


def test_the_variance_of_another_value_is_left_alone():
    flax = {"share": np.float32(1 / 8), "back": np.array([2, 1, 3]), "w": (1, 8, 1)}
    body = FLAX + "z = Relu(x) s = ReduceMean(z, one) t = Sub(z, s) u = Add(d, t) [n] r = Mul(t, o) y = Add(r, u)"
    model = build_norm(body, "float[2,8,3] x", **flax)
    assert why(model, FuseLayerNorm(), "n") == "the variance is of x, the difference of z"
    assert why(model, FuseRmsNorm(), "n") == "the square root is of the variance of x, not of a mean of squares"


def test_without_weights_the_scale_is_one():
    model = build_norm(VARIANCE + "y = Div(d, s)")
    before = model.clone()
    assert assert_fires_once(model, FuseLayerNorm()) == ["y = LayerNormalization(x, scale[8]) axis=-1 epsilon=1e-05"]
    assert_same_answers(before, model, random_feeds(before))


def test_over_two_axes_as_gtcrn_has_it():
    body = (VARIANCE + "n = Div(d, s) k = Mul(n, w) y = Add(k, b)").replace("last", "pair")
    model = build_norm(body, "float[2,1,3,8] x", w=(3, 8), b=(3, 8))
    before = model.clone()
    golden = ["y = LayerNormalization(x, scale[3,8], bias[3,8]) axis=-2 epsilon=1e-05"]
    assert assert_fires_once(model, FuseLayerNorm()) == golden
    assert_same_answers(before, model, random_feeds(before))


def test_over_the_channels_of_an_image_it_moves_them_last():
    body = (VARIANCE + "n = Div(d, s) k = Mul(n, w) y = Add(k, b)").replace("last", "one")
    model = build_norm(body, "float[2,8,3,4] x", w=(8, 1, 1), b=(1, 8, 1, 1))
    before = model.clone()
    lines = assert_fires_once(model, FuseLayerNorm())
    assert [line.split(" = ")[1] for line in lines] == [
        "Transpose(x) perm=(0,2,3,1)",
        "LayerNormalization(_, scale[8], bias[8]) axis=-1 epsilon=1e-05",
        "Transpose(_) perm=(0,3,1,2)",
    ]
    assert_same_answers(before, model, random_feeds(before))


def test_a_bias_along_another_axis_is_left_outside():
    model = build_norm(VARIANCE + "n = Div(d, s) y = Add(n, b)", b=(3, 8))
    before = model.clone()
    assert [line.split(" = ")[1].split("(")[0] for line in assert_fires_once(model, FuseLayerNorm())] == [
        "LayerNormalization",
        "Add",
    ]
    assert_same_answers(before, model, random_feeds(before))


def test_a_result_with_other_users_takes_no_weights_along():
    model = build_norm(VARIANCE + "n = Div(d, s) k = Mul(n, w) y = Add(k, n)", w=(8,))
    before = model.clone()
    assert len(assert_fires_once(model, FuseLayerNorm())) == 3
    assert_same_answers(before, model, random_feeds(before))


def test_f16_is_computed_in_f32_as_the_operator_does():
    weights = {"w": (8,), "b": (8,)}
    half = {n: v.astype(np.float16) if v.dtype == np.float32 else v for n, v in C.items()}
    body = VARIANCE + "n = Div(d, s) k = Mul(n, w) y = Add(k, b)"
    model = build("float16[2,3,8] x", body, dtype="float16", **weights, **{n: half[n] for n in ("last", "two", "eps")})
    before = model.clone()
    assert assert_fires_once(model, FuseLayerNorm())[0].startswith("y = LayerNormalization")
    assert_same_answers(before, model, random_feeds(before), rtol=4e-3)


@pytest.mark.parametrize(
    "body, reason",
    [
        ("[n] y = Mul(x, x)", "n does not divide by a square root"),
        ("z = Relu(x) s = Sqrt(z) [n] y = Div(x, s)", "z is neither the mean of a square nor a variance"),
        (
            "p = Mul(x, x) v = ReduceMean(p, last) s = Sqrt(v) z = Relu(x) [n] y = Div(z, s)",
            "p is not the square of what is divided",
        ),
        (
            "p = Mul(x, x) v = ReduceMean(p, last) s = Sqrt(v) [n] y = Div(x, s)",
            "x is no difference of x and its mean",
        ),
        (
            VARIANCE.replace("m = ReduceMean(x, last)", "m = ReduceMean(x, one)") + "[n] y = Div(d, s)",
            "m is not the mean of x over axes (2,)",
        ),
        (VARIANCE + "[n] n = Div(d, s) y = Add(n, s)", "n does not divide by a square root used only there"),
        (VARIANCE + "[n] n = Div(d, s) y = Add(n, d)", "Sub result d has 1 other users"),
        (VARIANCE.replace("eps", "flat") + "[n] y = Div(d, s)", "a number beside d has a higher rank than it"),
    ],
)
def test_it_declines(body, reason):
    assert reason in why(build_norm(body), FuseLayerNorm(), "n")


def test_a_square_root_with_other_users_hides_the_norm():
    body = VARIANCE + "[n] n = Div(d, s) y = Add(n, s)"
    assert why(build_norm(body), FuseRmsNorm(), "n") == "n does not divide by a square root used only there"


def test_a_factor_along_another_axis_is_left_alone():
    body = VARIANCE + "r = Reciprocal(s) q = Mul(r, w) [n] y = Mul(d, q)"
    model = build_norm(body, w=(3, 1))
    assert why(model, FuseLayerNorm(), "n") == "the factor w is no constant along the normalised axes"


def test_a_symbolic_row_length_is_left_alone():
    model = build_norm(VARIANCE + "[n] y = Div(d, s)", "float[2,3,L] x")
    assert why(model, FuseLayerNorm(), "n") == "the normalised size of d is not static"


def test_f64_is_left_alone():
    double = {n: C[n].astype(np.float64) if C[n].dtype == np.float32 else C[n] for n in ("last", "two", "eps")}
    model = build("double[2,3,8] x", VARIANCE + "[n] y = Div(d, s)", dtype="double", **double)
    assert "d is f64" in why(model, FuseLayerNorm(), "n")
