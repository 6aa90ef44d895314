"""candidates.py: how many schedules are timed, and which."""

from __future__ import annotations

import pytest

from burnish.kernels.schedule import Schedule
from burnish.tune.candidates import COUNTS, candidates


def schedule(tile: int, variant: int) -> Schedule:
    return Schedule.of("contraction", form="copy", m=tile, n=64, k=64, stages=variant)


ALIKE = [schedule(128, n) for n in range(10)]
OTHERS = [schedule(tile, 0) for tile in (64, 32, 256, 16, 8, 4, 2)]


@pytest.mark.parametrize("level", range(1, len(COUNTS)))
def test_there_are_as_many_as_the_level_says_the_best_first_and_in_order(level: int) -> None:
    offered = ALIKE + OTHERS
    found = candidates(offered, level)
    assert len(found) == min(COUNTS[level], len(offered)) and found[0] == offered[0]
    assert found == sorted(found, key=offered.index)


def test_of_one_kind_at_most_a_quarter_is_timed_while_there_are_others() -> None:
    assert candidates(ALIKE + OTHERS, 3) == ALIKE[:2] + OTHERS[:6]
    assert candidates(ALIKE + OTHERS, 1) == [ALIKE[0], OTHERS[0]]
    assert candidates(ALIKE + OTHERS[:3], 3) == ALIKE[:5] + OTHERS[:3]


def test_one_kind_alone_is_timed_as_it_comes() -> None:
    assert candidates(ALIKE, 3) == ALIKE[:8]
