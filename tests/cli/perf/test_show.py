"""The table for people."""

from __future__ import annotations

import pytest

from burnish.cli.perf.show import show
from tests.perf.made_report import made_report, made_result, times


def test_a_line_for_each_level_with_the_servers_times_and_the_knee(capsys: pytest.CaptureFixture[str]) -> None:
    show(made_report())
    out, err = capsys.readouterr()
    head, first, second, _ = out.splitlines()
    assert head.split()[:2] == ["in", "flight"] and "queue" in head and "batch" in head
    assert first.split()[:4] == ["1", "100.0", "10.000", "10.000"]
    assert second.rstrip().endswith("knee") and "knee of the curve" in err


def test_columns_that_no_level_fills_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    show(made_report(made_result(1, 10, times(1), server=(), is_stable=False)))
    out, _ = capsys.readouterr()
    assert "queue" not in out and "first p50" not in out and "unstable" in out


def test_streams_have_their_columns_and_levels_without_answers_have_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    stream = made_result(1, 10, times(9), first_response=times(2), between_responses=times(1))
    nothing = made_result(2, 0, times(), failed=3, first_response=times(), between_responses=times(), server=())
    show(made_report(stream, nothing))
    out, _ = capsys.readouterr()
    assert "first p50" in out and len(out.splitlines()) == 3
