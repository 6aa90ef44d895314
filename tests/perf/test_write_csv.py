"""The CSV has a line a level."""

from __future__ import annotations

import csv
import io

from burnish.perf.report import Level
from burnish.perf.write_csv import csv_text
from tests.perf.made_report import made_report, made_result, times


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_level_is_a_line_with_its_numbers() -> None:
    rows = read(csv_text(made_report()))
    assert [row["concurrency"] for row in rows] == ["1", "4", "16"]
    assert (rows[0]["throughput_per_s"], rows[0]["inferences_per_s"]) == ("100.000", "200.000")
    assert (rows[0]["latency_p50_ms"], rows[0]["server_queue_ms"]) == ("10.0000", "3.0000")


def test_a_level_without_answers_has_empty_cells_and_its_first_error() -> None:
    bad = made_result(4, 0, times(), failed=3, errors={"a": 1, "503: full, now": 2}, server=())
    rows = read(csv_text(made_report(made_result(1, 10, times(5)), bad)))
    assert (rows[1]["latency_p50_ms"], rows[1]["server_queue_ms"]) == ("", "")
    assert (rows[1]["failed"], rows[1]["first_error"]) == ("3", "503: full, now")


def test_rates_and_streams_have_columns_of_their_own() -> None:
    stream = made_result(5, 5, times(9), level=Level(True, 5.0), first_response=times(2), between_responses=times(1))
    (row,) = read(csv_text(made_report(stream)))
    assert (row["rate"], row["first_response_p50_ms"], row["between_responses_p99_ms"]) == ("5", "2.0000", "1.0000")
