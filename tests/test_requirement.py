from __future__ import annotations

import pytest

from burnish.dims import symbol
from burnish.requirement import HOLDS, WORDS, Requirement, unmet

N, M = symbol("n"), symbol("m")


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ("equal", [(0, 0), (3, 3)], [(1, 3), (3, 1)]),
        ("broadcast", [(3, 3), (1, 3), (3, 1), (0, 1), (1, 0)], [(2, 3), (0, 2)]),
        ("stretch", [(3, 3), (1, 3)], [(3, 1), (0, 1)]),
        ("at_most", [(2, 3), (3, 3)], [(4, 3)]),
        ("above", [(2, 1)], [(1, 1), (0, 1)]),
        ("multiple", [(6, 3), (0, 3)], [(7, 3), (3, 0)]),
    ],
)
def test_each_rule(rule: str, good: list[tuple[int, int]], bad: list[tuple[int, int]]):
    requirement = Requirement("an axis", "node 'a'", N, M, rule)
    for n, m in good:
        assert unmet(requirement, {"n": n, "m": m}) is None
    for n, m in bad:
        error = unmet(requirement, {"n": n, "m": m})
        assert error is not None and error.code == "E509"
        assert error.where == "node 'a'" and f"{n} and {m}" in error.what


def test_every_rule_has_its_words():
    assert HOLDS.keys() == WORDS.keys()


def test_its_symbols_are_those_of_both_sides():
    assert Requirement("", "", N * 2, M, "equal").symbols == {"n", "m"}
