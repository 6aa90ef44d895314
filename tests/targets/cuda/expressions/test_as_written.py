"""as_written.py: what quotients decide; the plain quotients of the interpreter are off by an ulp."""

from __future__ import annotations

import numpy as np
import pytest

from burnish.dtypes import DType
from burnish.ops.language.expr import binary, cast, const, unary, where
from tests.targets.cuda.expressions.test_emitter import elementwise

X = np.arange(1, 40, dtype=np.float32)
SCALE = np.float32(3.5)
HALF = np.float32(0.5)
CENTRE = (X + HALF) / SCALE - HALF


def centre(v):
    return (v + 0.5) / const(3.5, DType.F32) - 0.5


@pytest.mark.parametrize(
    ("value", "want"),
    [
        (lambda v: unary("ceil", centre(v) - 0.5), np.ceil(CENTRE - HALF)),
        (lambda v: unary("floor", where(binary("gt", v, 1), centre(v), v)), np.floor(np.where(X > 1, CENTRE, X))),
        (lambda v: cast(cast(v / v, DType.I32), DType.F32), np.ones_like(X)),
        (lambda v: cast(binary("le", v / v, 1), DType.F32), np.ones_like(X)),
        (lambda v: unary("ceil", -(unary("reciprocal", v) * v)), -np.ones_like(X)),
        (lambda v: binary("fmod", v / v, const(1, DType.F32)), np.zeros_like(X)),
        (lambda v: unary("trunc", binary("min", v / v * 3 + v / v, v)), np.minimum(4, X)),
    ],
    ids=["a coordinate", "of one side of a where", "an integer", "a comparison", "a reciprocal", "a rest", "sums"],
)
def test_a_number_that_decides_is_correctly_rounded(value, want):
    np.testing.assert_array_equal(elementwise(value, [X], DType.F32), want)


def test_other_quotients_may_be_off_by_an_ulp():
    got = elementwise(lambda v: v / v, [X], DType.F32)
    assert (got != 1).any() and np.abs(got - 1).max() <= 2.0**-22
