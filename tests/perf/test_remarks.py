"""What a reader is told beside the numbers."""

from __future__ import annotations

from burnish.perf.remarks import remarks
from tests.perf.made_report import made_report, made_result, times


def test_a_good_sweep_says_its_knee_alone() -> None:
    assert remarks(made_report()) == ["knee of the curve: 4 in flight, 390 per s at 11.000 ms"]


def test_failures_come_with_their_most_frequent_messages() -> None:
    errors = {"400: first": 1, "503: queue is full": 7}
    (found,) = remarks(made_report(made_result(4, 10, times(1, 1), failed=8, errors=errors)))
    assert found == "4 in flight: 8 of 10 failed: 7 x 503: queue is full; 1 x 400: first"


def test_doubts_about_the_numbers_are_said() -> None:
    doubtful = made_result(4, 10, times(1), is_stable=False, processor=0.97, waiting=12)
    found = remarks(made_report(doubtful))
    assert "97 % of a core" in found[0] and "--processes" in found[0]
    assert "12 requests were due" in found[1]
    assert found[2].startswith("no three windows in a row agreed at 4 in flight")


def test_requests_that_were_sent_late_for_no_reason_are_said_and_others_not() -> None:
    (found,) = remarks(made_report(made_result(4, 10, times(1, 1), send_delay_p99_ms=2.5)))
    assert "sent 2.5 ms late or more" in found
    assert remarks(made_report(made_result(4, 10, times(1, 1), send_delay_p99_ms=0.9))) == []
    assert remarks(made_report(made_result(4, 10, times(50, 50), send_delay_p99_ms=9.0))) == []


def test_the_limit_says_what_it_allows() -> None:
    assert "mean <= 20 ms: 390 per s at 4 in flight" in remarks(made_report(latency_limit_ms=20.0))
    assert "mean <= 1 ms: no level" in remarks(made_report(latency_limit_ms=1.0))


def test_a_curve_that_still_rises_says_so() -> None:
    rising = [made_result(n, 100 * n, times(10)) for n in (1, 2, 4)]
    assert remarks(made_report(*rising)) == ["no knee: the last level still gains more than it costs"]
