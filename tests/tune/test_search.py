"""search.py: which candidate wins, what a budget and an interruption leave behind."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from burnish.errors import EnvironmentProblem, InternalError
from burnish.kernels.schedule import Schedule
from burnish.plan.plan import Plan
from burnish.target import Target
from burnish.tune import run_heats as heats_module
from burnish.tune.cache import TimingCache
from burnish.tune.candidates import COUNTS, candidates
from burnish.tune.look_up import choose, schedules_of
from burnish.tune.measure import Measure, Timing, fastest
from burnish.tune.search import Search, tune
from burnish.tune.task import Task, tasks_of
from burnish.tune.trial import Trial, make_trial
from tests.tune.programs import HERE, V3, last_is_best, program, texts

PROGRAM = program()
TASKS = tasks_of(PROGRAM)
CHOICES = [t for t in TASKS if len(schedules_of(t, V3)) > 1]


@pytest.fixture(autouse=True)
def nothing_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trial, "plan", lambda self, schedule, target: Plan(None, {"schedule": schedule}))


def all_equal(trial: Trial, plans: Sequence[Plan]) -> list[Timing]:
    return [Timing(100.0) for _ in plans]


def second(task: Task) -> str:
    """The other of the two candidates at level 1."""
    return str(candidates(list(schedules_of(task, V3).values()), 1)[1])


class Clock:
    """Every measurement takes ten seconds."""

    def __init__(self, measure: Measure) -> None:
        self.now, self._measure = 0.0, measure

    def __call__(self) -> float:
        return self.now

    def measure(self, trial: Trial, plans: Sequence[Plan]) -> Sequence[Timing]:
        self.now += 10
        return self._measure(trial, plans)


def test_the_fastest_candidate_of_each_task_is_chosen_and_cached() -> None:
    cache = TimingCache()
    found = tune(PROGRAM, V3, HERE, cache, Search(last_is_best(V3), level=1))
    expected = {t.kernel.key: second(t) for t in CHOICES}
    assert texts(found.schedules) == expected
    assert sorted(e.tactic for e in cache) == sorted(expected.values())
    assert (found.missing, found.notes) == ([], [])
    assert {e.candidates for e in cache} == {2}


def test_a_tie_goes_to_the_cost_models_order() -> None:
    found = tune(PROGRAM, V3, HERE, TimingCache(), Search(all_equal, level=3))
    assert texts(found.schedules) == {t.kernel.key: next(iter(schedules_of(t, V3))) for t in CHOICES}


@pytest.mark.parametrize(
    ("timings", "winner"),
    [
        ([Timing(100), Timing(98.5)], 0),  # within the least noise
        ([Timing(100), Timing(95)], 1),
        ([Timing(100, noise=0.06), Timing(95)], 0),
        ([Timing(100, noise=9.0), Timing(80)], 1),  # noise counts only so far
        ([Timing(100), Timing(80), Timing(80.1)], 1),
        ([Timing(100), Timing(1, apart=2.0)], 0),  # wrong answers never win
        ([Timing(100), Timing(float("inf"))], 0),
    ],
)
def test_what_noise_cannot_tell_apart_is_a_tie(timings: list[Timing], winner: int) -> None:
    assert fastest(timings) == winner


def test_levels_try_ever_more_candidates() -> None:
    asked: dict[int, int] = {}
    for level in range(1, len(COUNTS)):

        def measure(trial: Trial, plans: Sequence[Plan], level: int = level) -> list[Timing]:
            asked[level] = max(asked.get(level, 0), len(plans))
            return all_equal(trial, plans)

        tune(PROGRAM, V3, HERE, TimingCache(), Search(measure, level=level))
    assert list(asked.values()) == sorted(asked.values())
    assert asked[1] == COUNTS[1]
    assert asked[max(asked)] == max(len(schedules_of(t, V3)) for t in TASKS)


def test_what_the_cache_knows_is_not_measured_again() -> None:
    cache = TimingCache()
    first = tune(PROGRAM, V3, HERE, cache, Search(last_is_best(V3), level=1))

    def never(trial: Trial, plans: Sequence[Plan]) -> Sequence[Timing]:
        raise AssertionError("measured")

    second = tune(PROGRAM, V3, HERE, cache, Search(never, level=5))
    assert texts(first.schedules) == texts(second.schedules)
    assert texts(choose(PROGRAM, V3, cache, locked=True).schedules) == texts(first.schedules)


def test_a_budget_goes_to_the_tasks_that_take_longest_and_the_rest_keeps_the_cost_models() -> None:
    cache = TimingCache()
    clock = Clock(last_is_best(V3))
    lines: list[str] = []
    search = Search(clock.measure, level=1, deadline=15, clock=clock, explain=lines.append)
    found = tune(PROGRAM, V3, HERE, cache, search)
    assert len(cache) == len(found.schedules) == 2
    assert "contraction f32 1 by 40 sum 2048" in {e.work for e in cache}
    assert len(found.missing) == len(CHOICES) - 2
    assert "ran out" in found.notes[0]
    assert f"tuned 1 of {len(CHOICES)}" in lines[0]
    assert f"{10 * (len(CHOICES) - 1)} s to go" in lines[0]
    tune(PROGRAM, V3, HERE, cache, Search(last_is_best(V3), level=1))
    assert len(cache) == len(CHOICES)


def test_no_time_at_all_measures_nothing() -> None:
    cache = TimingCache()
    found = tune(PROGRAM, V3, HERE, cache, Search(last_is_best(V3), deadline=0, clock=lambda: 1.0))
    assert (len(cache), found.schedules) == (0, {})


def test_an_interruption_keeps_what_was_measured_and_the_build_goes_on() -> None:
    done: list[str] = []
    inner = last_is_best(V3)

    def measure(trial: Trial, plans: Sequence[Plan]) -> Sequence[Timing]:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(trial.task.summary)
        return inner(trial, plans)

    cache, lines, saved = TimingCache(), list[str](), list[str]()
    search = Search(measure, level=1, explain=lines.append, saved=lambda e: saved.append(e.work))
    found = tune(PROGRAM, V3, HERE, cache, search)
    assert [len(cache), len(found.schedules), saved] == [2, 2, done]
    assert "interrupted" in found.notes[0] and "Ctrl-C once more" in found.notes[0]
    assert len(lines) == 2


def test_progress_names_the_task_and_counts() -> None:
    calls: list[tuple[str, int, int]] = []
    search = Search(last_is_best(V3), level=1, progress=lambda *call: calls.append(call))
    tune(PROGRAM, V3, HERE, TimingCache(), search)
    assert [done for _, done, _ in calls] == list(range(len(CHOICES)))
    assert "contraction" in calls[0][0]


def test_a_candidate_with_another_answer_is_left_out_and_reported() -> None:
    def measure(trial: Trial, plans: Sequence[Plan]) -> list[Timing]:
        return [Timing(100), *(Timing(50, apart=3.0) for _ in plans[1:])]

    found = tune(PROGRAM, V3, HERE, TimingCache(), Search(measure, level=1))
    assert texts(found.schedules) == {t.kernel.key: next(iter(schedules_of(t, V3))) for t in CHOICES}
    assert len(found.notes) == len(CHOICES)
    assert all("E911" in note and "3 tolerances" in note for note in found.notes)


def test_a_schedule_that_does_not_compile_is_left_out_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    def plan(self: Trial, schedule: Schedule, target: Target) -> Plan:
        if str(schedule) == next(iter(schedules_of(self.task, V3))):
            raise InternalError("E920", "too many registers")
        return Plan(None, {})

    monkeypatch.setattr(Trial, "plan", plan)
    found = tune(PROGRAM, V3, HERE, TimingCache(), Search(all_equal, level=1))
    assert texts(found.schedules) == {t.kernel.key: second(t) for t in CHOICES}
    assert all("too many registers" in note for note in found.notes)


def test_a_task_that_cannot_be_measured_is_left_to_the_cost_model_with_a_note() -> None:
    def measure(trial: Trial, plans: Sequence[Plan]) -> Sequence[Timing]:
        raise EnvironmentProblem("E520", "out of memory")

    cache = TimingCache()
    found = tune(PROGRAM, V3, HERE, cache, Search(measure, level=1))
    assert (len(cache), found.schedules) == (0, {})
    assert all("out of memory" in note for note in found.notes)


def test_a_lost_device_ends_the_search_and_not_the_build() -> None:
    def measure(trial: Trial, plans: Sequence[Plan]) -> Sequence[Timing]:
        raise EnvironmentProblem("E524", "the GPU is lost")

    found = tune(PROGRAM, V3, HERE, TimingCache(), Search(measure, level=1))
    assert len(found.notes) == 1
    assert "lost while contraction f32 1 by 40 sum 2048" in found.notes[0]
    assert len(found.missing) == len(CHOICES)


def test_many_candidates_run_in_heats_and_the_winner_stays_on() -> None:
    task = max(TASKS, key=lambda t: len(schedules_of(t, V3)))
    offered = list(schedules_of(task, V3).values())
    assert len(offered) > 4
    best = offered[-2]
    heats: list[list[Schedule]] = []

    def measure(trial: Trial, plans: Sequence[Plan]) -> list[Timing]:
        heats.append([p.blobs["schedule"] for p in plans])
        return [Timing(50.0 if s == best else 1000.0 / (1 + offered.index(s))) for s in heats[-1]]

    trial = make_trial(PROGRAM, task, V3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heats_module, "AT_ONCE", 3)
        winner = heats_module.run_heats(trial, offered, V3, measure, lambda line: None)
    assert (winner.schedule, winner.timing.ns, winner.candidates) == (best, 50.0, len(offered))
    assert max(map(len, heats)) == 4
    assert [heat[0] for heat in heats[1:]] == [max(h, key=lambda s: (s == best, offered.index(s))) for h in heats[:-1]]


def test_a_candidate_that_the_device_refuses_costs_the_others_nothing() -> None:
    refused = EnvironmentProblem("E526", "the device refuses to launch the kernel")

    def measure(trial: Trial, plans: Sequence[Plan]) -> list[Timing]:
        offered = list(schedules_of(trial.task, V3).values())
        numbers = [offered.index(plan.blobs["schedule"]) for plan in plans]
        if 0 in numbers:
            raise refused
        return [Timing(100.0 - n) for n in numbers]

    cache = TimingCache()
    found = tune(PROGRAM, V3, HERE, cache, Search(measure, level=1))
    assert texts(found.schedules) == {t.kernel.key: second(t) for t in CHOICES}
    assert any("does not run as" in note and refused.what in note for note in found.notes)
