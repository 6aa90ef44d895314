"""Intervals of indexes against every value that the index takes: where an interval is wrong, a load loses its guard."""

from __future__ import annotations

import itertools

from hypothesis import example, given, settings
from hypothesis import strategies as st

from burnish.dims import evaluate, symbol
from burnish.dtypes import DType
from burnish.kernels.facts import Facts
from burnish.ops.language.expr import Axis, Expr, axis, binary, const, dim, load
from tests.targets.cpu.reference_loops import dense

SIZES = (1, 2, 5)  # of the symbol
N = symbol("n")
A, B, S = Axis("a", 3), Axis("b", 4), Axis("s", N)
NUMBERS = st.integers(-5, 5)
LEAVES = st.one_of(st.sampled_from([axis(A), axis(B), axis(S), dim(N)]), NUMBERS.map(lambda n: const(n, DType.I64)))
FLAT_LEAVES = st.one_of(st.sampled_from([axis(A), axis(B)]), NUMBERS.map(lambda n: const(n, DType.I64)))
OPERATORS = {
    "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y, "min": min, "max": max,
    "floordiv": lambda x, y: x // y, "mod": lambda x, y: x % y,
}  # fmt: skip


def grown(inner: st.SearchStrategy[Expr]) -> st.SearchStrategy[Expr]:
    plain = st.tuples(st.sampled_from(["add", "sub", "mul", "min", "max"]), inner, inner)
    divisors = st.integers(1, 6).map(lambda n: const(n, DType.I64))
    divided = st.tuples(st.sampled_from(["floordiv", "mod"]), inner, divisors)
    return st.one_of(plain, divided).map(lambda drawn: binary(*drawn))


INDEXES = st.recursive(LEAVES, grown, max_leaves=7)
LINEAR = st.lists(st.tuples(NUMBERS, FLAT_LEAVES), max_size=4).map(
    lambda terms: sum((leaf * factor for factor, leaf in terms), start=const(0, DType.I64))
)


def value(index: Expr, axes: dict[Axis, int], size: int) -> int:
    if index.op == "const":
        return int(index.attr)
    if index.op == "axis":
        return axes[index.attr]
    if index.op == "dim":
        return evaluate(index.attr, {"n": size})
    if index.op == "neg":
        return -value(index.args[0], axes, size)
    return OPERATORS[index.op](*(value(x, axes, size) for x in index.args))


def values(index: Expr, size: int) -> list[int]:
    """For every place of the axes."""
    places = itertools.product(range(3), range(4), range(size))
    return [value(index, dict(zip((A, B, S), place)), size) for place in places]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(INDEXES)
@example(binary("mod", axis(A) - 2, const(3, DType.I64)))  # a negative one, smaller than its divisor
def test_no_value_leaves_its_range(index: Expr) -> None:
    low, high = Facts([]).range(index)
    for size in SIZES:
        found = values(index, size)
        assert low <= min(found) and max(found) <= high, str(index)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(INDEXES, INDEXES)
def test_no_difference_leaves_its_bounds(left: Expr, right: Expr) -> None:
    low, high = Facts([]).difference(left, right)
    for size in SIZES:
        found = [y - x for x, y in zip(values(left, size), values(right, size))]
        least, most = (end if isinstance(end, int) else evaluate(end, {"n": size}) for end in (low, high))
        assert least <= min(found) and max(found) <= most, f"{left}; {right}"


@settings(max_examples=100, deadline=None, derandomize=True)
@given(LINEAR)
def test_the_bounds_of_a_linear_difference_are_reached(index: Expr) -> None:
    found = values(index, 1)
    assert Facts([]).difference(const(0, DType.I64), index) == (min(found), max(found))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(INDEXES, st.sampled_from([1, 3, 7, N, 2 * N + 1]))
def test_a_load_that_needs_no_guard_is_inside_at_every_place(index: Expr, extent: object) -> None:
    if Facts([dense(DType.F32, (extent,))]).is_inside(load(0, DType.F32, [index])):
        for size in SIZES:
            found = values(index, size)
            assert min(found) >= 0 and max(found) < evaluate(extent, {"n": size}), str(index)


def test_every_place_is_tried() -> None:
    places = itertools.product(range(3), range(4), range(2))
    assert values(axis(A) * 2 - axis(B) + axis(S), 2) == [2 * a - b + s for a, b, s in places]
