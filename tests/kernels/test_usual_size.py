"""usual_size.py: the one rule for what a dim counts as."""

from __future__ import annotations

from burnish.dims import floordiv, symbol
from burnish.kernels.usual_size import UNKNOWN, usual_count, usual_size

N, M = symbol("n"), symbol("m")


def test_a_number_is_itself_and_a_symbol_its_usual_value() -> None:
    assert usual_size(7, {}) == 7
    assert usual_size(N * 3 + 1, {"n": 5, "other": 9}) == 16


def test_a_symbol_of_which_nothing_is_known_counts_as_sixty_four() -> None:
    assert usual_size(N * M, {"n": 2}) == 2 * UNKNOWN == 128


def test_an_empty_axis_is_nothing_and_so_is_a_quotient_by_it() -> None:
    assert usual_size(N * 8, {"n": 0}) == 0
    assert usual_size(floordiv(M, N), {"n": 0, "m": 12}) == 0


def test_of_a_tensors_elements_an_empty_axis_counts_as_one() -> None:
    assert usual_count((N, 3, M), {"n": 0, "m": 4}) == 12
    assert usual_count((), {}) == 1
