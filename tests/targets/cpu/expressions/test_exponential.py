"""exp, log and their kin against wider floats, over all magnitudes, on every level."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from tests.targets.cpu.elementwise import Array, all_floats, evaluate, wide_doubles, worst_ulp
from tests.targets.cpu.run_kernel import TARGETS, runnable

LEVELS = [pytest.param(t, id=t.level) for t in TARGETS if runnable(t)]


def _sigmoid(x: Array) -> Array:
    return np.where(x < 0, np.exp(x) / (1 + np.exp(x)), 1 / (1 + np.exp(-x)))


def _erf(x: Array) -> Array:
    return np.array([math.erf(v) for v in x.astype(np.float64)])


TRUTH: dict[str, tuple[float, Callable[[Array], Array]]] = {
    "exp": (1, np.exp), "log": (1, np.log), "expm1": (2, np.expm1), "log1p": (2, np.log1p), "erf": (2, _erf),
    "tanh": (3, np.tanh), "sigmoid": (3, _sigmoid),
}  # fmt: skip


@pytest.mark.parametrize("op", TRUTH)
@pytest.mark.parametrize("target", LEVELS)
def test_f32_is_within_its_bound_over_the_whole_range(op, target):
    bound, truth = TRUTH[op]
    x = all_floats(65519)
    with np.errstate(all="ignore"):
        expected = truth(x.astype(np.float64))
    assert worst_ulp(evaluate(op, target, x), expected) <= bound


@pytest.mark.parametrize("op", TRUTH)
@pytest.mark.parametrize("target", LEVELS)
def test_f64_is_within_its_bound_over_the_whole_range(op, target):
    bound, truth = TRUTH[op]
    generator = np.random.default_rng(1)
    x = np.concatenate([wide_doubles(20000), generator.normal(0, 3, 20000), generator.uniform(-750, 750, 20000)])
    with np.errstate(all="ignore"):
        expected = truth(x.astype(np.longdouble)).astype(np.longdouble)
    assert worst_ulp(evaluate(op, target, x), expected) <= bound


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gelu_is_within_a_rounding_of_its_argument(target, dtype):
    x = np.concatenate([np.random.default_rng(4).normal(0, 3, 20000), np.linspace(-14, 14, 20000)]).astype(dtype)
    wide = x.astype(np.float64)
    inner = math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)
    for op, factor in (("gelu", 1 + _erf(wide * math.sqrt(0.5))), ("gelu_tanh", 1 + np.tanh(inner))):
        error = abs(evaluate(op, target, x) - wide * factor / 2)
        assert (error <= (1 if op == "gelu" else 2) * np.finfo(dtype).eps * abs(wide)).all(), op
        at_ends = evaluate(op, target, np.array([np.inf, np.nan, 0.0, -0.0], dtype))
        np.testing.assert_array_equal(at_ends, [np.inf, np.nan, 0.0, -0.0])


@pytest.mark.parametrize("target", LEVELS)
def test_gelu_of_f32_is_exact_in_its_negative_tail_too(target):
    x = np.concatenate([all_floats(65519), np.linspace(-13, 13, 60001).astype(np.float32)])
    x = x[np.isfinite(x)]
    got, wide = evaluate("gelu", target, x), x.astype(np.float64)
    want = wide * np.array([math.erfc(-v * math.sqrt(0.5)) / 2 for v in wide])
    near = (x >= -1) & (abs(want) > 2.0**-125)
    assert worst_ulp(got[near], want[near]) <= 3
    tail = (x < -1) & (x >= -5.5)
    assert (abs(got[tail] - want[tail]) <= 1e-5 * abs(want[tail])).all()
    beyond = x < -5.5
    assert (abs(got[beyond]) <= 1.1e-7).all() and (got[x < -12] == 0).all()


@pytest.mark.parametrize("target", LEVELS)
def test_power_follows_c_for_every_pair_of_special_values(target):
    special = [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 0.5, -0.5, 1e30, -1e30, np.inf, -np.inf, np.nan, 1e-40, 7.0]
    x, y = (a.ravel().astype(np.float32) for a in np.meshgrid(special, special))
    with np.errstate(all="ignore"):
        expected = np.power(x.astype(np.float64), y.astype(np.float64))
    assert worst_ulp(evaluate("pow", target, x, y), expected) <= 1


@pytest.mark.parametrize("target", LEVELS)
def test_power_in_f32_is_within_one_ulp(target):
    generator = np.random.default_rng(2)
    x = np.exp(generator.normal(0, 8, 50000)).astype(np.float32)
    y = generator.normal(0, 4, 50000).astype(np.float32)
    with np.errstate(all="ignore"):
        expected = np.power(x.astype(np.float64), y.astype(np.float64))
    assert worst_ulp(evaluate("pow", target, x, y), expected) <= 1


@pytest.mark.parametrize("target", LEVELS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fmod_is_exact_and_keeps_the_sign_of_the_dividend(target, dtype):
    if dtype is np.float64 and target.level == "x86-64-v2":
        pytest.skip("without FMA, f64 has no wider product to be exact in")
    generator = np.random.default_rng(3)
    x, y = (generator.normal(0, 100, 5000).astype(dtype) for _ in range(2))
    x[:4], y[:4] = (5, -5, np.inf, 3), (np.inf, np.inf, 2, 0)
    with np.errstate(all="ignore"):
        expected = np.fmod(x, y)
        python = np.mod(x, y)
    np.testing.assert_array_equal(evaluate("fmod", target, x, y), expected)
    got = evaluate("mod", target, x[4:], y[4:])
    assert np.abs(got - python[4:]).max() <= 200 * np.finfo(dtype).eps
