"""Known content: what evaluating a definition says of small tensors."""

from __future__ import annotations

from burnish.dims import symbol
from burnish.dtypes import DType
from burnish.ops.language.definition import Compute, Concat, Reshape, Tensor, View
from burnish.ops.language.evaluate import known_elements
from burnish.ops.language.expr import binary, cast, const, dim, unary, where

n, m = symbol("n"), symbol("m")
S = Tensor("s", DType.I64, (3,), (n, 4, m))


def scalar(body, dtype=DType.I64):
    return known_elements(Compute(dtype, (), lambda i: body))


def test_views_reshapes_and_concatenations_keep_content():
    assert known_elements(View(S, (2,), lambda i: [2 - i[0] * 2])) == (m, n)
    assert known_elements(Reshape(S, (3, 1))) == (n, 4, m)
    square = Tensor("q", DType.I64, (2, 2), (1, 2, 3, 4))
    assert known_elements(Concat((square, square), 1, (2, 4))) == (1, 2, 1, 2, 3, 4, 3, 4)


def test_unknown_content_stays_unknown():
    unknown = Tensor("u", DType.I64, (2,))
    assert known_elements(Compute(DType.I64, (2,), lambda i: unknown[i] + 1)) is None
    assert known_elements(View(S, (n,), lambda i: [i[0] * 0])) is None


def test_empty_tensors_are_known_beside_symbolic_axes():
    unknown = Tensor("u", DType.F32, (0, n))
    assert known_elements(Compute(DType.F32, (0, n), lambda i: unknown[i])) == ()


def test_arithmetic_of_dims_is_symbolic():
    assert known_elements(Compute(DType.I64, (3,), lambda i: S[i] * 2 + 1)) == (2 * n + 1, 9, 2 * m + 1)
    assert scalar(dim(n * 6) / 3) == (2 * n,)
    assert scalar(binary("mod", dim(n * 6), 3)) == (0,)


def test_comparisons_that_sizes_decide():
    assert scalar(binary("eq", dim(n), -1), DType.BOOL) == (False,)
    assert scalar(binary("ge", dim(n + 1), 1), DType.BOOL) == (True,)
    assert scalar(binary("eq", dim(n), 1), DType.BOOL) is None


def test_where_on_an_open_condition_is_known_only_if_both_sides_agree():
    is_open = binary("eq", dim(n), 1)
    assert scalar(where(is_open, dim(m) + 0, dim(m) * 1)) == (m,)
    assert scalar(where(is_open, dim(m), 3)) is None


def test_logic_needs_only_the_side_that_decides():
    is_open, no, yes = binary("eq", dim(n), 1), const(False, DType.BOOL), const(True, DType.BOOL)
    assert scalar(binary("and", is_open, no), DType.BOOL) == (False,)
    assert scalar(binary("or", yes, is_open), DType.BOOL) == (True,)
    assert scalar(binary("and", is_open, yes), DType.BOOL) is None


def test_integers_wrap_and_division_truncates():
    big = Tensor("b", DType.I64, (), (2**62,))
    assert scalar(big[()] + big[()]) == (-(2**63),)
    small = Tensor("a", DType.I32, (), (-7,))
    assert known_elements(Compute(DType.I32, (), lambda i: small[()] / 2)) == (-3,)
    assert known_elements(Compute(DType.I32, (), lambda i: small[()] // 2)) == (-4,)


def test_division_by_zero_is_unknown():
    zero = Tensor("z", DType.I64, (), (0,))
    assert known_elements(Compute(DType.I64, (), lambda i: const(1, DType.I64) / zero[()])) is None


def test_floats_round_as_their_dtype():
    third = Tensor("t", DType.F16, (), (1.0,))
    (value,) = known_elements(Compute(DType.F16, (), lambda i: third[()] / 3))
    assert value == 0.333251953125


def test_dims_through_floats_come_back_exactly():
    scaled = cast(dim(n), DType.F32) * 0.5
    assert scalar(cast(unary("floor", scaled), DType.I64)) == (n // 2,)
    assert scalar(cast(unary("ceil", scaled), DType.I64)) == ((n + 1) // 2,)
    assert scalar(cast(scaled * 4.0, DType.I64)) == (2 * n,)
    assert scalar(cast(cast(dim(n), DType.F32) / cast(dim(m), DType.F32), DType.I64)) is None
