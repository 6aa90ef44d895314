"""A window's figures, and when three of them agree."""

from __future__ import annotations

from burnish.perf.windows import Window, agree
from tests.perf.test_samples import MS, rows


def window(throughput: float, latency: float) -> Window:
    return Window(0, 1, throughput, latency, 0)


def test_a_window_counts_answers_and_failures_apart() -> None:
    requests = rows((0, 0, 10, False), (0, 0, 30, False), (0, 0, 40, True))
    found = Window.of(requests, 0, 500 * MS, None, is_open=False)
    assert (found.throughput_per_s, found.latency_ms, found.failed) == (4, 20, 1)
    assert Window.of(requests, 0, 500 * MS, 90, is_open=False).latency_ms == 30
    assert found.as_dict() == {"seconds": 0.5, "throughput_per_s": 4, "latency_ms": 20, "failed": 1}


def test_a_window_of_an_open_loop_counts_from_the_due_time() -> None:
    requests = rows((0, 10, 20, False))
    assert Window.of(requests, 0, MS, None, is_open=True).latency_ms == 20


def test_three_windows_within_the_limit_of_their_mean_agree() -> None:
    assert agree([window(100, 10), window(109, 10), window(91, 10)], 10)
    assert not agree([window(100, 10), window(125, 10), window(90, 10)], 10)
    assert not agree([window(100, 10), window(100, 13), window(100, 10)], 10)


def test_only_the_last_three_count_and_fewer_never_agree() -> None:
    calm = [window(100, 10)] * 3
    assert agree([window(1, 500), *calm], 1)
    assert not agree([*calm, window(1, 500)], 1)
    assert not agree(calm[:2], 100)


def test_windows_without_answers_do_not_agree() -> None:
    assert not agree([window(0, float("nan"))] * 3, 10)
