"""Rates and percentiles over looks at statistics; time is turned by hand."""

from types import SimpleNamespace

import pytest

from burnish.serve.observe import live as module
from burnish.serve.observe.live import ROW_HISTORY, Live
from tests.serve.observe.fakes import MS, FakeVersion, fake_server


@pytest.fixture
def clock(monkeypatch):
    held = SimpleNamespace(now=100.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: held.now)
    return held


def machine():
    return SimpleNamespace(utilization=lambda: 0.25, resident_bytes=lambda: 1 << 20)


def test_a_second_of_requests_becomes_rates_percentiles_and_means(clock):
    version = FakeVersion("m", 2)
    version.scheduler.pending, version.in_flight, version.memory_bytes = 3, 5, 1000
    live = Live(fake_server(version), machine())
    live.look()
    for _ in range(40):
        version.ran(rows=4, queue_ns=MS, input_ns=2 * MS, infer_ns=6 * MS, output_ns=MS)
    version.ran(failure="BACKEND")
    clock.now += 2
    total, (row,), gone = live.look()
    assert (row["rps"], row["ips"], row["err"]) == (20, 80, 0.5)
    assert row["p50"] == pytest.approx(10, rel=0.12)
    assert row["stages"] == {"queue": 1000, "input": 2000, "infer": 6000, "output": 1000}
    assert row["batch"] == {"1": 1, "4": 40}
    assert (row["queue"], row["flight"], row["mem"], row["state"]) == (3, 5, 1000, "READY")
    assert (total["rps"], total["err"], total["queue"], total["flight"]) == (20, 0.5, 3, 5)
    assert (total["cpu"], total["rss"], total["p50"]) == (0.25, 1 << 20, row["p50"])
    assert gone == []


def test_after_a_pause_nothing_is_shown_and_rates_begin_anew(clock):
    version = FakeVersion("m")
    live = Live(fake_server(version), machine())
    live.look()
    version.ran()
    for _ in range(9):
        clock.now += 1
        total, changed, _ = live.look()
    assert ("p50" in total, changed) == (False, [])
    assert "rps" not in live.rows["m", 1]
    for _ in range(10):
        version.ran()
    clock.now += 1
    assert live.look()[0]["rps"] == 10


def test_only_rows_that_changed_are_told_and_versions_that_went(clock):
    first, second = FakeVersion("a"), FakeVersion("b")
    refused = [("b", "a reload that failed"), ("d", "line 1: no such field")]
    server = fake_server(first, second, unavailable=[("c", 1, "UNAVAILABLE", "it is broken")], refused=refused)
    live = Live(server, machine())
    _, rows, _ = live.look()
    assert [(r["m"], r["state"], r["reason"]) for r in rows] == [
        ("a", "READY", ""), ("b", "READY", ""), ("c", "UNAVAILABLE", "it is broken"),
        ("d", "UNAVAILABLE", "line 1: no such field"),
    ]  # fmt: skip
    second.in_flight = 1
    del server.repository.models["a"]
    clock.now += 1
    _, rows, gone = live.look()
    assert ([r["m"] for r in rows], gone) == (["b"], [("a", 1)])


def test_a_version_loaded_anew_starts_from_its_own_counters(clock):
    old, new = FakeVersion("m"), FakeVersion("m")
    for _ in range(50):
        old.ran()
    server = fake_server(old)
    live = Live(server, machine())
    live.look()
    server.repository.models["m"].versions[1].version = new
    new.ran()
    clock.now += 1
    assert live.look()[0]["rps"] == 0, "what it did before the first look is not of this second"
    new.ran()
    clock.now += 1
    assert live.look()[0]["rps"] == 1


def test_histories_are_bounded(clock):
    version = FakeVersion("m")
    live = Live(fake_server(version), machine())
    for _ in range(module.HISTORY + 50):
        version.ran()
        clock.now += 1
        live.look()
    assert len(live.history) == module.HISTORY
    (row,) = live.row_history()
    assert len(row["rps"]) == len(row["p99"]) == ROW_HISTORY
