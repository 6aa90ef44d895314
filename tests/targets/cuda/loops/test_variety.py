"""What is timed first: the best, and then what differs from it."""

from __future__ import annotations

from burnish.targets.cuda.loops.options import LoopsOptions
from burnish.targets.cuda.loops.variety import VARIED, varied


def ranked(count):
    """Schedules of which long runs share their warps."""
    return [LoopsOptions(1, -1, n, 64, False, 1, n // 10) for n in range(count)]


def test_the_best_stays_first_and_nothing_is_lost():
    found = varied(ranked(50), {("warps",): 2})
    assert found[0] == ranked(50)[0]
    assert sorted(found, key=str) == sorted(ranked(50), key=str)


def test_no_more_than_the_limit_agree_at_the_front_and_the_rest_keeps_its_order():
    found = varied(ranked(50), {("warps",): 2})
    assert [s.rows for s in found[:VARIED]] == [0, 1, 10, 11, 20, 21, 30, 31]
    assert [s.rows for s in found[VARIED:]] == [n for n in range(50) if n not in (0, 1, 10, 11, 20, 21, 30, 31)]


def test_few_schedules_are_all_offered():
    assert varied(ranked(3), {("warps",): 1}) == ranked(3)
