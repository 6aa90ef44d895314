"""`burnish cache` and `burnish inspect tactics`: tables and JSON of what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from burnish.tune import TimingCache
from tests.cli.conftest import Command
from tests.tune.programs import entry

SLOW, FAST = entry(tactic="loops width=8", time_ns=9000), entry(tactic="loops width=16", time_ns=7000)
OTHER = entry(task="1" * 32, device="another", time_ns=8000)


@pytest.fixture
def caches(tmp_path: Path) -> tuple[Path, Path]:
    paths = tmp_path / "a.cache", tmp_path / "b.cache"
    TimingCache([SLOW, OTHER]).save(paths[0])
    TimingCache([FAST]).save(paths[1])
    return paths


def test_show_lists_the_longest_first(command: Command, caches: tuple[Path, Path]) -> None:
    done = command("cache", "show", caches[0])
    assert done.code == 0, done.err
    assert done.out.index("9.00") < done.out.index("8.00")
    assert "n=4" in done.out and "2 entries" in done.err
    found = json.loads(command("cache", "show", caches[0], "--json", "--device", "another").out)
    assert [e["time_ns"] for e in found] == [8000]
    assert json.loads(command("cache", "show", caches[0], "--json", "--target", "cuda:sm_80").out) == []


def test_merge_keeps_the_faster_and_prints_the_conflict(command: Command, caches: tuple[Path, Path]) -> None:
    done = command("cache", "merge", *caches, "-o", caches[0])
    assert done.code == 0, done.err
    assert "width=8" in done.out and "width=16" in done.out
    assert "2 entries, 1 conflicts" in done.err
    assert TimingCache.load(caches[0]) == TimingCache([FAST, OTHER])
    report = json.loads(command("cache", "merge", *caches, "-o", caches[1], "--json").out)
    assert report == {"entries": 2, "conflicts": []}


def test_diff_shows_what_one_lacks_and_where_tactics_differ(command: Command, caches: tuple[Path, Path]) -> None:
    done = command("cache", "diff", *caches)
    assert done.code == 0, done.err
    assert "2 tasks differ, 0 agree" in done.err
    rows = json.loads(command("cache", "diff", *caches, "--json").out)
    assert [(r["sign"], r["time_ns"]) for r in rows] == [("-", 9000), ("+", 7000), ("-", 8000)]
    assert json.loads(command("cache", "diff", caches[0], caches[0], "--json").out) == []


def test_prune_forgets_a_device(command: Command, caches: tuple[Path, Path], tmp_path: Path) -> None:
    done = command("cache", "prune", caches[0], "--device", "another", "-o", tmp_path / "c.cache")
    assert done.code == 0 and "1 entries forgotten, 1 left" in done.err
    assert TimingCache.load(tmp_path / "c.cache") == TimingCache([SLOW])
    report = json.loads(command("cache", "prune", caches[0], "--target", "cpu:x86-64-v3", "--json").out)
    assert report["entries"] == 0 and len(report["forgotten"]) == 2


def test_prune_that_is_told_nothing_is_refused(command: Command, caches: tuple[Path, Path]) -> None:
    done = command("cache", "prune", caches[0])
    assert (done.code, "E621" in done.err) == (2, True)


def test_a_damaged_cache_is_refused(command: Command, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("hello")
    assert command("cache", "show", tmp_path / "x").code == 2


def test_prune_keeps_what_a_plan_uses_and_tactics_shows_its_times(
    command: Command, model: Path, tmp_path: Path
) -> None:
    plan, cache = tmp_path / "a.plan", tmp_path / "x.cache"
    done = command("build", model, "-o", plan, "--timing-cache", cache, "--opt-level", "1")
    assert done.code == 0, done.err
    measured = TimingCache.load(cache)
    both = TimingCache([*measured, SLOW])
    both.save(cache)
    assert command("cache", "prune", cache, "--keep", plan).code == 0
    assert TimingCache.load(cache) == measured
    rows = json.loads(command("inspect", "tactics", plan, "--timing-cache", cache, "--json").out)
    assert sum(1 for r in rows if r["us"]) == len(measured) > 0
    assert all(r["device"] == next(iter(measured)).key.device for r in rows if r["us"])
    done = command("inspect", "tactics", plan)
    assert done.code == 0 and rows[0]["tactic"] in done.out and rows[0]["task"][:12] in done.out
