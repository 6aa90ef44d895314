"""Index arithmetic gets smaller, and never means anything else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.kernels.simplify import multiply_by_softmax_factor, simplify
from burnish.kernels.task import Loops, Store
from burnish.ops.language.expr import Axis, axis, binary, cast, const, dim, load, reduce, text, unary, where
from tests.targets.cpu.reference_loops import Reference, dense

N = symbol("n")
A, B, S = Axis("a", 6), Axis("b", 8), Axis("s", N)


def simplified(value):
    """The text of a value stored over (a, b, s)."""
    kernel = Loops((dense(value.dtype, (6, 8, N)),), (A, B, S), (Store(0, (axis(A), axis(B), axis(S)), value),))
    return text(simplify(kernel).stores[0].value)


@pytest.mark.parametrize(
    "value, expected",
    [
        (binary("max", binary("min", axis(A), 5), 0), "a"),
        (binary("max", binary("min", axis(S), dim(N - 1)), 0), "s"),
        (binary("min", axis(A), 3), "min(a,3:i64)"),
        ((axis(A) * 8 + axis(B)) // 8, "a"),
        ((axis(A) * 8 + axis(B)) % 8, "b"),
        ((axis(A) * 16 + axis(B) + 3) // 16, "a"),
        ((axis(A) * 16 + axis(B) * 2 + 3) // 16, "add(a,floordiv(add(3:i64,mul(b,2:i64)),16:i64))"),
        (axis(B) // 8, "0:i64"),
        (where(binary("lt", axis(A), 6), axis(A), axis(B)), "a"),
        (where(binary("ge", axis(A) - 6, 0), axis(A), axis(B)), "b"),
        (where(binary("and", binary("ge", axis(B), 0), binary("lt", axis(B), 4)), axis(A), axis(B)),
         "where(lt(b,4:i64),a,b)"),
        (cast(binary("eq", axis(A), 7), DType.F32), "0.0:f32"),
        (cast(binary("ne", axis(S), dim(N)), DType.F32), "1.0:f32"),
    ],
)  # fmt: skip
def test_what_the_axes_decide_is_decided(value, expected):
    assert simplified(value) == expected


def test_conditions_on_data_stay():
    kernel = Loops((dense(DType.I64, (6,)), dense(DType.I64, (6,))), (A,), ())
    value = binary("max", load(0, DType.I64, [axis(A)]), 0)
    after = simplify(Loops(kernel.slots, (A,), (Store(1, (axis(A),), value),)))
    assert after.stores[0].value is value


@st.composite
def indexes(draw, depth=3):
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        return draw(st.sampled_from([axis(A), axis(B), const(draw(st.integers(-9, 9)), DType.I64)]))
    op = draw(st.sampled_from(["add", "sub", "mul", "min", "max", "floordiv", "mod", "where"]))
    left, right = draw(indexes(depth - 1)), draw(indexes(depth - 1))
    if op in ("floordiv", "mod"):
        right = const(draw(st.integers(1, 12)), DType.I64)
    if op == "where":
        compare = draw(st.sampled_from(["lt", "le", "gt", "ge", "eq", "ne"]))
        return where(binary(compare, left, right), draw(indexes(depth - 1)), right)
    return binary(op, left, right)


@settings(max_examples=300, deadline=None)
@given(indexes())
def test_the_value_stays_the_same(value):
    kernel = Loops((dense(DType.I64, (6, 8)),), (A, B), (Store(0, (axis(A), axis(B)), value),))
    before, after = (Reference(k, [np.zeros(48, np.int64)]).run()[0] for k in (kernel, simplify(kernel)))
    np.testing.assert_array_equal(before, after)


def test_a_softmax_divides_once_a_row():
    x, r = load(0, DType.F32, [axis(A), axis(B)]), Axis("r", 8)
    of_row = load(0, DType.F32, [axis(A), axis(r)])
    high = reduce("max", (r,), of_row)
    total = reduce("sum", (r,), unary("exp", of_row - high))
    slots = (dense(DType.F32, (6, 8)), dense(DType.F32, (6, 8)))

    def kernel(value):
        return Loops(slots, (A, B), (Store(1, (axis(A), axis(B)), value),))

    found = multiply_by_softmax_factor(kernel(unary("exp", x - high) / total))
    assert found.stores[0].value is unary("exp", x - high) * unary("reciprocal", total)
    array = np.random.default_rng(1).normal(size=48).astype(np.float32) * 30
    np.testing.assert_allclose(
        *(Reference(k, [array, array]).run()[1] for k in (kernel(unary("exp", x - high) / total), found)), rtol=1e-6
    )


def test_a_total_that_might_be_small_still_divides():
    x, r = load(0, DType.F32, [axis(A), axis(B)]), Axis("r", 8)
    value = x / reduce("sum", (r,), unary("exp", load(0, DType.F32, [axis(A), axis(r)])))
    kernel = Loops((dense(DType.F32, (6, 8)),), (A, B), (Store(0, (axis(A), axis(B)), value),))
    assert multiply_by_softmax_factor(kernel) == kernel
