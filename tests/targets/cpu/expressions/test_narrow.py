"""The short forms against float64: every bf16 number, and f32 numbers of every magnitude, as a product's sums are."""

from __future__ import annotations

import math
from collections.abc import Callable

import ml_dtypes
import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.target import Target
from tests.targets.cpu.elementwise import Array, all_floats, evaluate, worst_ulp
from tests.targets.cpu.run_kernel import runnable

V4 = Target("cpu", "x86-64-v4")
WITH_BF16 = Target("cpu", "x86-64-v4", ("bf16",))
SMALLEST = 2.0**-126  # normal
TAIL = -13.2  # GELU is subnormal beyond
pytestmark = pytest.mark.skipif(not runnable(V4), reason="the short forms are for AVX-512")


def _sigmoid(x: Array) -> Array:
    return np.where(x < 0, np.exp(x) / (1 + np.exp(x)), 1 / (1 + np.exp(-x)))


def _gelu(x: Array) -> Array:
    tail = np.array([math.erfc(-v * math.sqrt(0.5)) / 2 for v in x])
    return np.where(np.isneginf(x), -0.0, x * tail)


def _gelu_tanh(x: Array) -> Array:
    return x * _sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))


def _erf(x: Array) -> Array:
    return np.array([math.erf(v) for v in x])


TRUTH: dict[str, tuple[float, Callable[[Array], Array]]] = {
    "exp": (1e-4, np.exp), "sigmoid": (5e-4, _sigmoid), "erf": (2.5e-4, _erf), "tanh": (4e-4, np.tanh),
    "gelu": (4.5e-4, _gelu), "gelu_tanh": (5e-4, _gelu_tanh),
}  # fmt: skip
EVERY = np.arange(1 << 16, dtype=np.uint16).view(ml_dtypes.bfloat16)


def _truth(op: str, x: Array) -> Array:
    with np.errstate(all="ignore"):
        return TRUTH[op][1](x.astype(np.float64))


@pytest.mark.parametrize("op", TRUTH)
def test_the_error_of_f32_values_is_within_the_bound_over_the_whole_range(op):
    near = np.random.default_rng(0).normal(0, 3, 1 << 16).astype(np.float32)
    x = np.concatenate([all_floats(65519), near])
    got, want = evaluate(op, V4, x, inside=DType.BF16).astype(np.float64), _truth(op, x)
    is_normal = (abs(want) >= SMALLEST) & (abs(want) <= np.finfo(np.float32).max)
    with np.errstate(all="ignore"):
        error = abs(got - want) / abs(want)
    bound = np.full(x.shape, TRUTH[op][0])
    if op == "gelu":
        bound[x < -5] = 3.5e-3
    assert (error <= bound)[is_normal].all(), (
        x[is_normal][np.argmax((error / bound)[is_normal])],
        error[is_normal].max(),
    )
    vanishes = abs(want) < SMALLEST
    assert abs(got[vanishes]).max() <= 1.01 * SMALLEST


@pytest.mark.skipif(not runnable(WITH_BF16), reason="this machine has no vcvtneps2bf16")
@pytest.mark.parametrize("op", TRUTH)
def test_every_bf16_number_gives_a_result_near_half_an_ulp_from_the_truth(op):
    with np.errstate(all="ignore"):
        wide = EVERY.astype(np.float64)
        x = EVERY[~(wide < -5)] if op == "gelu" else EVERY
        want = _truth(op, x)
        rounded = want.astype(ml_dtypes.bfloat16)
        got = evaluate(op, WITH_BF16, x)
        place = np.exp2(np.floor(np.log2(abs(want))) - 7)
        distance = abs(got.astype(np.float64) - want) / place
    is_normal = np.isfinite(rounded.astype(np.float64)) & (abs(want) >= 2 * SMALLEST)
    assert distance[is_normal].max() <= 0.63
    is_infinite = np.isinf(rounded)
    np.testing.assert_array_equal(got[is_infinite], rounded[is_infinite])


def test_infinities_nan_and_zeros_are_as_in_c():
    x = np.array([np.inf, -np.inf, np.nan, 0.0, -0.0], np.float32)
    expected = {
        "exp": [np.inf, 0, np.nan, 1, 1], "sigmoid": [1, 0, np.nan, 0.5, 0.5], "gelu": [np.inf, 0, np.nan, 0.0, -0.0],
        "gelu_tanh": [np.inf, np.nan, np.nan, 0.0, -0.0], "erf": [1, -1, np.nan, 0.0, -0.0],
        "tanh": [1, -1, np.nan, 0.0, -0.0],
    }  # fmt: skip
    for op, wanted in expected.items():
        got = evaluate(op, V4, x, inside=DType.BF16)
        np.testing.assert_allclose(got, wanted, rtol=5e-4, atol=SMALLEST, err_msg=op)
        np.testing.assert_array_equal(np.signbit(got[3:]), np.signbit(np.float32(wanted[3:])), err_msg=op)
    for op, at, wanted in (("exp", 0.0, 1.0), ("sigmoid", np.inf, 1.0)):
        assert evaluate(op, V4, np.array([at], np.float32), inside=DType.BF16) == wanted, op


def test_other_dtypes_have_the_full_forms():
    x = np.linspace(-5, 5, 1000, dtype=np.float32)
    for inside in (DType.F32, DType.F16):
        got = evaluate("tanh", V4, x, inside=inside)
        assert worst_ulp(got, np.tanh(x.astype(np.float64))) <= 3
