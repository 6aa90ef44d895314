"""`burnish perf`: table, JSON, CSV, page, exit codes, and perf_analyzer's own command line."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from tests.cli.conftest import Command
from tests.perf.fake_server import FakeServer, running

QUICK = ("--requests", "8")


def test_a_sweep_is_a_table_json_a_csv_and_a_page(command: Command, tmp_path: Path) -> None:
    with running(FakeServer()) as server:
        done = command("perf", "echo", "--url", server.url, "--concurrency", "1,2", *QUICK, "--csv", tmp_path / "a.csv")
        assert done.code == 0, done.err
        assert [line.split()[0] for line in done.out.splitlines()[1:]] == ["1", "2"]
        rows = list(csv.DictReader((tmp_path / "a.csv").read_text().splitlines()))
        assert [row["concurrency"] for row in rows] == ["1", "2"]
        done = command(
            "perf", "echo", "-u", server.url, "--rate", "200", *QUICK, "--json", "--html", tmp_path / "a.html"
        )
        assert [level["rate"] for level in json.loads(done.out)["levels"]] == [200]
        assert "200 per s" in (tmp_path / "a.html").read_text()


def test_perf_analyzers_command_line_is_taken_as_it_is(command: Command) -> None:
    with running(FakeServer()) as server:
        words = f"-m echo -u {server.url} -i HTTP --concurrency-range 2:2:1 --shape IN:4 --input-data zero -b 3 --async"
        words += (
            " --measurement-interval 50 --max-trials=3 --percentile=95 -H X-Key:abc --warm-up 0 --service-kind triton"
        )
        done = command("perf", *words.split(), "--json")
        assert done.code == 0, done.err
        assert server.received[-1].tail == bytes(48) and server.received[-1].headers["x-key"] == "abc"
    assert json.loads(done.out)["judged_by"] == "p95"


def test_failures_are_shown_and_a_level_without_an_answer_is_exit_code_1(command: Command) -> None:
    with running(FakeServer(fault=lambda n: (503, '{"error":"queue is full"}') if n else None)) as server:
        done = command("perf", "echo", "-u", server.url, *QUICK)
    assert (done.code, "8 of 8 failed: 8 x 503: queue is full" in done.err) == (1, True)


def test_a_limit_that_no_level_keeps_is_exit_code_1(command: Command) -> None:
    with running(FakeServer(delay_s=lambda n: 0.01)) as server:
        assert command("perf", "echo", "-u", server.url, *QUICK, "--latency-limit", "1").code == 1
        assert command("perf", "echo", "-u", server.url, *QUICK, "--latency-limit", "5000").code == 0


def test_mistakes_are_found_before_anything_is_measured(command: Command, tmp_path: Path) -> None:
    with running(FakeServer()) as server:
        for words, code in (
            (("--concurrency", "1", "--rate", "5"), "E680"),
            (("--protocol", "soap"), "E680"),
            (("--csv", tmp_path / "none" / "a.csv"), "E618"),
            (("--batch", "99"), "E682"),
        ):
            done = command("perf", "echo", "-u", server.url, *words)
            assert (done.code, code in done.err) == (2, True), done.err
        assert server.received == []
    (tmp_path / "earlier.csv").write_text("kept")
    assert command("perf", "echo", "-u", "127.0.0.1:9", "--csv", tmp_path / "earlier.csv").code == 3
    assert (tmp_path / "earlier.csv").read_text() == "kept"
