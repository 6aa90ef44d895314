import random

import numpy as np
import pytest

from burnish.serve.observe.histogram import BOUNDS_NS, SHOWN, StageHistograms, percentiles_ns, shown_counts


def counted(durations):
    histograms = StageHistograms()
    for ns in durations:
        histograms.add((ns, -1, -1, 0, 1))
    return histograms.counts[0]


def test_each_stage_is_counted_apart_and_a_negative_duration_is_none():
    histograms = StageHistograms()
    for _ in range(1000):  # more than the list holds
        histograms.add((1000, 1001, 10**12, 0, -1))
    counts = histograms.counts
    assert [counts[0][0], counts[1][1], counts[2][-1], counts[3][0]] == [1000] * 4
    assert counts.sum(axis=1).tolist() == [1000, 1000, 1000, 1000, 0]
    histograms.add((5000, -1, -1, -1, 7))
    assert histograms.counts.sum(axis=1).tolist() == [1001, 1000, 1000, 1000, 1]


def test_bounds_ascend_and_shown_ones_are_one_two_and_five_of_each_decade():
    assert list(BOUNDS_NS) == sorted(set(BOUNDS_NS))
    shown = [BOUNDS_NS[i] for i in SHOWN]
    assert shown == [n * 10**d for d in range(3, 11) for n in (1, 2, 5)] + [10**11]


@pytest.mark.parametrize("part", [0.5, 0.9, 0.95, 0.99])
def test_a_percentile_is_near_the_true_one(part):
    draw = random.Random(4)
    durations = [int(draw.lognormvariate(14, 1.2)) for _ in range(20_000)]
    assert percentiles_ns(counted(durations), [part]) == pytest.approx([np.quantile(durations, part)], rel=0.05)


def test_there_is_no_percentile_of_nothing_and_one_beyond_the_last_bound_is_that_bound():
    assert percentiles_ns(counted([]), [0.5]) == []
    assert percentiles_ns(counted([10**12]), [0.5, 1]) == [BOUNDS_NS[-1]] * 2


def test_shown_counts_are_those_at_most_as_long_as_each_bound():
    draw = random.Random(5)
    durations = [int(10 ** draw.uniform(2, 12)) for _ in range(3_000)] + [BOUNDS_NS[i] for i in SHOWN]
    shown = shown_counts(counted(durations))
    assert shown[:-1] == [sum(ns <= BOUNDS_NS[i] for ns in durations) for i in SHOWN]
    assert shown[-1] == len(durations)
