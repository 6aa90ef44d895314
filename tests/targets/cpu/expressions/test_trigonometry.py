"""Circular and hyperbolic functions against wider floats, over all magnitudes, on every level."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.targets.cpu.elementwise import Array, all_floats, evaluate, wide_doubles, worst_ulp
from tests.targets.cpu.run_kernel import TARGETS, runnable

LEVELS = [pytest.param(t, id=t.level) for t in TARGETS if runnable(t)]
TRUTH: dict[str, tuple[float, Callable[[Array], Array]]] = {
    "sin": (2, np.sin), "cos": (2, np.cos), "tan": (4, np.tan), "asin": (3, np.arcsin), "acos": (3, np.arccos),
    "atan": (3, np.arctan), "sinh": (4, np.sinh), "cosh": (4, np.cosh), "asinh": (3, np.arcsinh),
    "acosh": (3, np.arccosh), "atanh": (3, np.arctanh),
}  # fmt: skip


@pytest.mark.parametrize("op", TRUTH)
@pytest.mark.parametrize("target", LEVELS)
def test_f32_is_within_one_ulp_over_the_whole_range(op, target):
    x = all_floats(65519)
    with np.errstate(all="ignore"):
        expected = TRUTH[op][1](x.astype(np.float64))
    assert worst_ulp(evaluate(op, target, x), expected) <= 1


@pytest.mark.parametrize("op", TRUTH)
@pytest.mark.parametrize("target", LEVELS)
def test_f64_is_within_its_bound(op, target):
    bound, truth = TRUTH[op]
    generator = np.random.default_rng(1)
    x = np.concatenate([wide_doubles(10000), generator.normal(0, 3, 10000), generator.uniform(-1, 1, 10000)])
    if op in ("sin", "cos", "tan"):
        x = x[~(np.abs(x) > 1e6)]
    with np.errstate(all="ignore"):
        expected = truth(x.astype(np.longdouble))
    assert worst_ulp(evaluate(op, target, x), expected) <= bound
