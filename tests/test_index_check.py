"""Traces of indices, and the error of one."""

from __future__ import annotations

import pytest

from burnish.dims import symbol
from burnish.index_check import FARTHEST, IndexCheck, index_of, out_of_range


@pytest.mark.parametrize("index", [0, 1, 7, FARTHEST])
def test_an_index_above_the_range_leaves_an_even_trace(index: int) -> None:
    assert index_of(2 * (index + 1)) == index


@pytest.mark.parametrize("index", [-1, -2, -7, -FARTHEST])
def test_an_index_below_the_range_leaves_an_odd_trace(index: int) -> None:
    assert index_of(1 - 2 * index) == index


def test_the_error_names_the_value_the_node_and_the_range() -> None:
    n = symbol("N")
    check = IndexCheck("Gather, 'i' into axis 0 of 'x'", "node 'g'", -n, n - 1, 3, 0)
    assert check.symbols == {"N"}
    error = out_of_range(check, 2 * (9 + 1), {"N": 5})
    assert error.code == "E525" and "index 9 " in error.what and error.where == "node 'g'" and "-5 to 4" in error.why
    assert "empty" in out_of_range(check, 2, {"N": 0}).why
    assert "or one beyond it" in out_of_range(check, 2 * (FARTHEST + 1), {"N": 5}).what
