"""Percentiles and both corrections for coordinated omission, against their definitions written out."""

from __future__ import annotations

import math

import numpy as np
import pytest

from burnish.perf import samples
from burnish.perf.samples import Distribution, Samples, corrected, fill_omitted, measured

MS = 1_000_000


def rows(*requests: tuple[int, int, int, bool]) -> Samples:
    """due, sent, end [ms], failed."""
    table = np.array([(d * MS, s * MS, e * MS, e * MS, 1, f) for d, s, e, f in requests], np.int64)
    return Samples.read(table.tobytes())


def by_definition(values: list[int], interval: int) -> list[int]:
    """HdrHistogram's recordValueWithExpectedInterval."""
    found = []
    for value in values:
        found.append(value)
        missing = value - interval
        while missing >= interval:
            found.append(missing)
            missing -= interval
    return sorted(found)


def nearest_rank(values: list[int], percent: float) -> int:
    return sorted(values)[max(math.ceil(percent / 100 * len(values)), 1) - 1]


def test_percentiles_are_nearest_ranks() -> None:
    values = [15, 20, 35, 40, 50]
    found = Distribution.of(np.array(values) * MS)
    assert [found.percentile(p) for p in (0, 5, 20, 30, 40, 50, 99, 100)] == [15, 15, 15, 20, 20, 35, 50, 50]
    assert found.mean() == 32
    assert found.as_dict()["std"] == pytest.approx(np.std(values))
    assert (found.as_dict()["min"], found.as_dict()["max"]) == (15, 50)


def test_no_requests_have_no_latency() -> None:
    empty = measured(rows())
    assert math.isnan(empty.percentile(50)) and math.isnan(empty.mean()) and empty.as_dict() == {}
    assert len(corrected(rows(), False).values_ms) == 0


def test_a_closed_loop_gets_the_requests_that_a_long_answer_held_back() -> None:
    """100 answers of 10 ms and one of a second, during which 99 more would have been sent."""
    times = [10] * 100 + [1000]
    requests = rows(*((0, 0, t, False) for t in times))
    assert measured(requests).percentile(99) == 10
    expected = by_definition(times, 10)
    found = corrected(requests, is_open=False)
    assert found.values_ms.tolist() == expected
    assert len(expected) == 200 and set(found.weights) == {1}
    for percent in (50, 90, 99, 99.9):
        assert found.percentile(percent) == nearest_rank(expected, percent)
    assert found.percentile(99) == 980


@pytest.mark.parametrize("interval", [1, 7, 10, 24, 25, 999, 1000, 2000])
def test_the_correction_is_that_of_its_definition(interval: int) -> None:
    times = [3, 10, 24, 25, 49, 50, 1000]
    found = fill_omitted(np.array(times, np.int64), interval)
    assert np.round(found.values_ms * MS).astype(int).tolist() == by_definition(times, interval)


def test_a_correction_with_too_many_values_keeps_their_number_and_nearly_their_percentiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(samples, "MOST_ADDED", 500)
    times = [10 * MS] * 50 + [20_000 * MS, 7_777 * MS]
    expected = by_definition([t // MS for t in times], 10)
    found = fill_omitted(np.array(times, np.int64), 10 * MS)
    assert len(found.values_ms) < 600
    assert found.weights.sum() == len(expected)
    for percent in (10, 50, 90, 99):
        assert found.percentile(percent) == pytest.approx(nearest_rank(expected, percent), abs=70)


def test_an_open_loop_counts_from_the_time_a_request_was_due() -> None:
    requests = rows((0, 0, 10, False), (10, 60, 70, False), (20, 70, 80, False))
    assert measured(requests).values_ms.tolist() == [10, 10, 10]
    assert corrected(requests, is_open=True).values_ms.tolist() == [10, 60, 60]


def test_failed_requests_have_no_part_in_latencies() -> None:
    requests = rows((0, 0, 10, False), (0, 0, 5000, True))
    assert measured(requests).values_ms.tolist() == [10]
    assert corrected(requests, is_open=True).values_ms.tolist() == [10]


def test_parts_are_joined_in_the_order_of_their_ends() -> None:
    joined = Samples.join([rows((0, 0, 30, False), (0, 0, 50, True)), rows((0, 0, 40, False))])
    assert (joined.end // MS).tolist() == [30, 40, 50]
    assert joined.failed.tolist() == [False, False, True]
    assert len(joined.between(30 * MS, 50 * MS)) == 2
    assert len(Samples.join([])) == 0
