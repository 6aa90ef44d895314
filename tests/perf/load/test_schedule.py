"""When an open loop sends, and that processes together keep the rate."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from burnish.perf.load.schedule import Share, due_times


def first(share: Share, count: int) -> list[int]:
    return list(itertools.islice(due_times(share), count))


def test_constant_arrivals_have_equal_distances() -> None:
    assert first(Share(1, rate=1000.0, begin_ns=5), 4) == [5, 1_000_005, 2_000_005, 3_000_005]


def test_processes_take_turns() -> None:
    whole = Share(1, rate=100.0)
    parts = [first(replace(whole, index=i, count=3), 4) for i in range(3)]
    assert sorted(itertools.chain(*parts)) == first(whole, 12)


def test_a_poisson_process_has_its_rate_in_one_process_and_in_several() -> None:
    whole = Share(1, rate=100.0, arrivals="poisson", seed=3)
    for count in (1, 4):
        times = sorted(
            itertools.chain(*(first(replace(whole, index=i, count=count), 8000 // count) for i in range(count)))
        )[:7000]
        gaps = [(b - a) / 1e9 for a, b in itertools.pairwise(times)]
        mean = sum(gaps) / len(gaps)
        spread = (sum((g - mean) ** 2 for g in gaps) / len(gaps)) ** 0.5
        assert mean == pytest.approx(0.01, rel=0.05)
        assert spread == pytest.approx(0.01, rel=0.08)  # an exponential distribution's is its mean
    assert first(whole, 5) == first(whole, 5) != first(replace(whole, seed=4), 5)


def test_given_distances_repeat() -> None:
    share = Share(1, intervals_s=(0.001, 0.002))
    assert [t // 1000 for t in first(share, 5)] == [0, 1000, 3000, 4000, 6000]
    assert share.is_open and not Share(4).is_open
