"""The knee is where throughput over latency is largest."""

from __future__ import annotations

from burnish.perf.knee import find_knee


def test_the_knee_of_a_server_with_four_places_is_at_four() -> None:
    """Below, latency is the service time; above, throughput stands still and latency grows (Little's law)."""
    levels = [1, 2, 4, 8, 16]
    throughputs = [min(n, 4) / 0.01 for n in levels]
    latencies = [1e3 * n / t for n, t in zip(levels, throughputs)]
    assert find_knee(throughputs, latencies) == 2


def test_a_curve_that_still_rises_has_no_knee() -> None:
    assert find_knee([100, 200, 400], [10, 10, 10]) is None


def test_fewer_than_three_levels_or_no_answers_have_no_knee() -> None:
    assert find_knee([100, 50], [10, 20]) is None
    assert find_knee([0, 0, 0], [float("nan")] * 3) is None


def test_a_first_level_that_is_best_is_the_knee() -> None:
    assert find_knee([100, 101, 102], [10, 20, 30]) == 0
