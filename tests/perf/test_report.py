"""What a report works out of its levels, and its form as JSON."""

from __future__ import annotations

import json

import pytest

from burnish.perf.report import Level
from tests.perf.made_report import made_report, made_result, times


def test_levels_are_named_by_their_kind() -> None:
    assert (str(Level(False, 8.0)), str(Level(True, 0.5))) == ("8 in flight", "0.5 per s")


def test_the_json_form_is_plain_and_has_every_level() -> None:
    found = json.loads(json.dumps(made_report().as_dict(), allow_nan=False))
    assert found["knee"] == 1
    assert [level["concurrency"] for level in found["levels"]] == [1, 4, 16]
    assert found["levels"][0]["inferences_per_s"] == 200
    assert found["levels"][0]["latency_ms"]["p50"] == 10
    assert found["levels"][0]["server"][0]["queue_ms"] == pytest.approx(3)
    assert found["levels"][0]["spectrum"]["latency_ms"][-1] == 11
    assert found["server"] == {"name": "fake", "version": "1.0"}


def test_a_level_without_an_answer_is_plain_json_too() -> None:
    nothing = made_result(1, 0, times(), failed=5, errors={"400: no": 5}, server=())
    found = json.loads(json.dumps(made_report(nothing).as_dict()))["levels"][0]
    assert (found["latency_ms"], found["spectrum"], found["failed"]) == ({}, None, 5)
    assert found["errors"] == [{"message": "400: no", "count": 5}]


def test_a_stream_has_the_times_of_its_responses() -> None:
    stream = made_result(1, 10, times(9), first_response=times(2), between_responses=times(1, 3), responses_per_s=30)
    found = made_report(stream).as_dict()["levels"][0]
    assert found["first_response_ms"]["p50"] == 2
    assert (found["between_responses_ms"]["max"], found["responses_per_s"]) == (3, 30)


def test_the_best_level_within_the_limit_has_the_most_throughput() -> None:
    report = made_report(latency_limit_ms=20.0)
    assert report.best_within_limit is report.results[1]
    assert report.as_dict()["best_within_limit"] == 1
    assert made_report(latency_limit_ms=1.0).best_within_limit is None
    assert made_report().best_within_limit is None


def test_no_knee_is_claimed_where_a_level_answered_nothing() -> None:
    good = made_report().results
    assert made_report(*good, made_result(64, 0, times())).knee is None
