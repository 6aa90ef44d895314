"""tuning.py: what a build's options mean for its tactics, and for its bytes."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import burnish
from burnish.errors import UserError
from burnish.plan import Plan
from burnish.tune import TimingCache, Tuner
from burnish.tune.entry import Entry
from burnish.tune.trial import Trial
from tests.tune.programs import HERE, V3, entry, last_is_best, net, program


@pytest.fixture(autouse=True)
def candidates_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trial, "plan", lambda self, schedule, target: Plan(None, {}))


def tuner(path: Path, **changes: object) -> Tuner:
    """One that measures by a made-up clock."""
    made = Tuner.of(lambda line: None, timing_cache=path, opt_level=1)
    made.measure, made.device = last_is_best, HERE
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def build(**options: object) -> Plan:
    return burnish.build(net(), target=str(V3), **options)


def tactics(plan: Plan) -> list[str]:
    return [launch.tactic for launch in plan.manifest.variants[0].launches]


def test_a_tuned_cache_changes_the_plan_and_a_build_from_it_needs_no_device(tmp_path: Path) -> None:
    path = tmp_path / "x.cache"
    assert tuner(path).choose(program(), V3)
    tuned = build(timing_cache=path)
    assert tactics(tuned) != tactics(build())
    assert tuned.to_bytes() == build(timing_cache=path, locked=True).to_bytes()


def test_a_build_from_a_cache_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    path = tmp_path / "x.cache"
    tuner(path).choose(program(), V3)
    source = (
        "import sys, hashlib; from tests.tune.test_tuning import build\n"
        "print(hashlib.sha256(build(timing_cache=sys.argv[1]).to_bytes()).hexdigest())"
    )
    commands = [[sys.executable, "-c", source, str(path)]] * 2
    assert len({subprocess.run(c, capture_output=True, text=True, check=True).stdout for c in commands}) == 1


def test_a_build_with_a_device_that_finds_all_in_the_cache_gives_the_same_bytes_as_one_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.cache"
    tuner(path).choose(program(), V3)
    monkeypatch.setattr("burnish.tune.tuning.label", lambda target: HERE)
    content = path.read_bytes()
    assert build(timing_cache=path, opt_level=3).to_bytes() == build(timing_cache=path).to_bytes()
    assert path.read_bytes() == content


def test_locked_refuses_an_empty_cache_and_never_measures(tmp_path: Path) -> None:
    TimingCache().save(tmp_path / "x.cache")
    with pytest.raises(UserError, match="E330"):
        build(timing_cache=tmp_path / "x.cache", locked=True, opt_level=5)


def test_a_cache_that_must_be_there_is_missed(tmp_path: Path) -> None:
    for options in ({}, {"locked": True, "opt_level": 3}):
        with pytest.raises(UserError, match="E331"):
            build(timing_cache=tmp_path / "none", **options)


@pytest.mark.parametrize(
    "options",
    [{"opt_level": 6}, {"opt_level": -1}, {"opt_level": 1, "tune_budget": -2.0}, {"tune_budget": 60.0}],
)
def test_levels_and_budgets_that_are_none_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UserError, match="E335"):
        build(**options)


@pytest.mark.parametrize("options", [{}, {"tuned_for": "another"}])
def test_a_build_on_a_machine_without_the_device_says_that_nothing_was_measured(
    options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("burnish.tune.tuning.label", lambda target: HERE if options else None)
    notes: list[str] = []
    assert Tuner.of(notes.append, opt_level=3, **options).choose(program(), V3) == {}
    assert notes == [f"{V3}: nothing was measured: this machine is no {options.get('tuned_for', V3)}"]


def test_what_others_wrote_meanwhile_stays_in_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x.cache"
    TimingCache([entry()]).save(path)
    mine = tuner(path)
    TimingCache([entry(), entry(task="1" * 32)]).save(path)
    mine.choose(program(), V3)
    tasks = {e.key.task for e in TimingCache.load(path)}
    assert {"0" * 32, "1" * 32} < tasks


def test_a_stale_entry_is_replaced_though_it_was_faster(tmp_path: Path) -> None:
    path = tmp_path / "x.cache"
    tuner(path).choose(program(), V3)
    entries = list(TimingCache.load(path))
    TimingCache(Entry(e.key, e.work, "contraction rows=99", 1, 2) for e in entries).save(path)
    tuner(path).choose(program(), V3)
    assert [e.tactic for e in TimingCache.load(path)] == [e.tactic for e in entries]


def test_what_is_measured_is_saved_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "x.cache"
    ticks = iter(range(0, 10**6, 10))
    seen: list[int] = []

    def measure(target):
        inner = last_is_best(target)

        def run(trial, plans):
            seen.append(len(TimingCache.load(path, must_exist=False)))
            return inner(trial, plans)

        return run

    tuner(path, measure=measure, clock=lambda: float(next(ticks))).choose(program(), V3)
    assert seen == list(range(len(seen)))


def test_builds_that_share_a_file_lose_nothing_of_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.cache"
    load = TimingCache.load

    def slow(path: Path, *, must_exist: bool = True) -> TimingCache:
        found = load(path, must_exist=must_exist)
        time.sleep(0.02)
        return found

    monkeypatch.setattr(TimingCache, "load", staticmethod(slow))

    def keep(number: int) -> None:
        made = tuner(path)
        made._keep(entry(task=f"{number:032x}"))
        made.save()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(keep, range(8)))
    assert len(load(path)) == 8


def test_a_cache_object_grows_in_place() -> None:
    cache = TimingCache()
    made = Tuner.of(lambda line: None, timing_cache=cache, opt_level=1)
    made.measure, made.device = last_is_best, HERE
    made.choose(program(), V3)
    assert len(cache) > 0
