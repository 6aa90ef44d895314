"""Dims: exact, canonical, and evaluated as Python does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.dims import (
    Dim,
    bounds,
    ceildiv,
    divisor,
    evaluate,
    floordiv,
    from_json,
    known,
    maximum,
    minimum,
    modulo,
    substitute,
    symbol,
    symbols,
    to_json,
)

NAMES = ("n", "m", "past")


@st.composite
def dim_and_function(draw: st.DrawFn, depth: int = 3) -> tuple[Dim, str]:
    """A dim, and the Python expression it must equal."""
    if depth == 0 or draw(st.booleans()):
        if draw(st.booleans()):
            value = draw(st.integers(-5, 5))
            return value, f"({value})"
        name = draw(st.sampled_from(NAMES))
        return symbol(name), name
    left, left_text = draw(dim_and_function(depth=depth - 1))
    right, right_text = draw(dim_and_function(depth=depth - 1))
    divisor = draw(st.integers(1, 7))
    choices = {
        "+": left + right,
        "-": left - right,
        "*": left * right,
        "max": maximum(left, right),
        "min": minimum(left, right),
        "//": floordiv(left, divisor),
        "%": modulo(left, divisor),
    }
    pick = draw(st.sampled_from(sorted(choices)))
    if pick in ("max", "min"):
        return choices[pick], f"{pick}({left_text}, {right_text})"
    return choices[pick], f"({left_text} {pick} {divisor if pick in ('//', '%') else right_text})"


@given(dim_and_function(), st.lists(st.integers(0, 20), min_size=3, max_size=3))
def test_a_dim_has_the_value_that_python_gives_its_expression(case: tuple[Dim, str], values: list[int]) -> None:
    dim, text = case
    assignment = dict(zip(NAMES, values))
    expected = eval(text, {"max": max, "min": min}, assignment)
    assert evaluate(dim, assignment) == expected
    assert evaluate(from_json(to_json(dim)), assignment) == expected
    assert substitute(dim, assignment) == expected
    low, high = bounds(dim, dict.fromkeys(NAMES, (0, 20)))
    assert low <= expected <= high


@given(dim_and_function())
def test_json_gives_back_an_equal_dim(case: tuple[Dim, str]) -> None:
    assert from_json(to_json(case[0])) == case[0]


def test_equal_dims_compare_equal_whatever_their_history() -> None:
    n, m = symbol("n"), symbol("m")
    assert 2 * n + m - n == n + m
    assert (n + 1) * (n - 1) == n * n - 1
    assert n - n == 0
    assert isinstance(n - n + 3, int)
    assert hash(m * n) == hash(n * m)


def test_divisions_that_come_out_even_disappear() -> None:
    n, m = symbol("n"), symbol("m")
    assert (6 * n * m) // (2 * n) == 3 * m
    assert (4 * n + m + 2) // 4 == n + (m + 2) // 4
    assert modulo(8 * n, 4) == 0
    assert ceildiv(8 * n, 8) == n


def test_a_divisor_holds_whatever_the_symbols_are() -> None:
    n = symbol("n")
    dims = (0, -6, 48, n, 6 * n + 4, 12 * n * n + 8, floordiv(n, 2) * 8)
    assert [divisor(d) for d in dims] == [0, 6, 48, 1, 2, 4, 8]


def test_symbols_are_found_inside_divisions() -> None:
    assert symbols((symbol("n") + 1) // 2 + maximum(symbol("m"), 3)) == {"n", "m"}


@pytest.mark.parametrize("bad", [True, "n", [["x"]], [[1, ["pow", 1, 2]]], [[True, "n"]], None, 1.5])
def test_what_is_no_dim_is_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="dimension"):
        from_json(bad)


def test_a_known_dim_is_its_number_and_a_symbol_is_our_mistake():
    assert known(7) == 7
    with pytest.raises(AssertionError, match="n is not known"):
        known(symbol("n"))
