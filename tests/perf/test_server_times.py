"""The difference of two answers of the statistics endpoint."""

from __future__ import annotations

from typing import Any

import pytest

from burnish.perf.server_times import difference
from tests.perf.fake_server import statistics


def test_the_difference_is_of_the_requests_in_between() -> None:
    found = difference([statistics(100)], [statistics(140)], "echo")
    assert found is not None
    assert (found.inferences, found.executions, found.mean_batch) == (40, 20, 2)
    stages = {"queue": 3, "compute_input": 1, "compute_infer": 5, "compute_output": 0.5}
    assert found.stages_ms == pytest.approx(stages)
    assert found.request_ms == pytest.approx(10) and found.other_ms == pytest.approx(0.5)
    assert found.as_dict()["queue_ms"] == pytest.approx(3)


def test_versions_are_added_up_and_other_models_left_out() -> None:
    other = {**statistics(900), "name": "other"}
    second = {**statistics(10), "version": "2"}
    found = difference([statistics(10), other], [statistics(30), second, other], "echo")
    assert found is not None and found.inferences == 30


def test_numbers_may_be_texts_and_zeros_may_be_missing() -> None:
    """So gRPC's JSON form has them."""
    after: dict[str, Any] = {
        "name": "echo",
        "inference_count": "7",
        "inference_stats": {"success": {"count": "7", "ns": "7000000"}, "queue": {"count": "7", "ns": "3500000"}},
    }
    found = difference([], [after], "echo")
    assert found is not None
    assert (found.inferences, found.executions, found.mean_batch) == (7, 0, 0)
    assert (found.request_ms, found.stages_ms["queue"]) == (1, 0.5)


def test_a_server_that_does_not_count_the_model_gives_nothing_and_a_restart_nothing_negative() -> None:
    assert difference([], [], "echo") is None
    found = difference([statistics(100)], [statistics(3)], "echo")
    assert found is not None and found.inferences == 0
