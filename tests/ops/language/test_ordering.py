from __future__ import annotations

from burnish.dims import evaluate, maximum, minimum, symbol
from burnish.ops.language.ordering import (
    are_different,
    clamp,
    difference,
    from_end,
    is_at_least,
    larger,
    sizes_within,
    smaller,
)

n, m = symbol("n"), symbol("m")


def test_sizes_are_never_negative():
    assert is_at_least(n + m, n)
    assert not is_at_least(n, m)
    assert are_different(n, -1)
    assert not are_different(n, 0)


def test_max_and_min_simplify_where_one_side_wins():
    assert larger(n, n + 2) == n + 2
    assert smaller(n, n + 2) == n
    assert smaller(n, 2**63 - 1) == n
    assert larger(minimum(1000, n), n) == n
    assert larger(maximum(n, m), n) == maximum(n, m)


def test_a_profile_decides_more():
    assert larger(n, 1) != n
    with sizes_within({"n": (1, 8)}):
        assert larger(n, 1) == n
        assert smaller(n, 8) == n
    assert larger(n, 1) != n


def test_clamp_keeps_between():
    assert clamp(n + 5, 0, n) == n
    assert clamp(-3, 0, n) == 0


def test_positions_count_from_the_end_where_negative():
    assert from_end(-1, n) == n - 1
    assert from_end(n, m) == n
    either = from_end(n - 5, n)
    assert [evaluate(either, {"n": v}) for v in (3, 5, 9)] == [1, 0, 4]


def test_difference_sees_through_max_and_min():
    assert difference(n, maximum(0, n - 1)) == minimum(1, n)
    assert difference(n + 3, minimum(n, m)) == maximum(3, n - m + 3)
