"""measure.py: turns, who leaves the race, whose answer counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from burnish.devices.cpu.device import Cpu
from burnish.tune import measure
from burnish.tune.look_up import schedules_of
from burnish.tune.measure import FEWEST_RUNS, FIRST_MS, ROUNDS, STEADY_ROUNDS, TRIAL_ROUNDS, TURN_MS, make_measure
from burnish.tune.task import tasks_of
from burnish.tune.trial import make_trial
from tests.tune.programs import V3, batches, program

PROGRAM = program(batches(1, 2, 9))
TASKS = tasks_of(PROGRAM)
TRIAL = make_trial(PROGRAM, next(t for t in TASKS if t.summary.endswith("sum 2048")), V3)


class FakeContext:
    """A run takes `milliseconds`; or ever other ones, from turn to turn."""

    def __init__(self, *milliseconds: float) -> None:
        self.milliseconds, self.turns, self.runs = milliseconds, 0, list[int]()

    def time(self, inputs: None, repeats: int) -> list[float]:
        now = self.milliseconds[self.turns % len(self.milliseconds)]
        self.turns += 1
        self.runs.append(repeats - 1)
        return [9 * now] + [now] * (repeats - 1)


def race(*contexts: FakeContext) -> list[list[float]]:
    return measure._race(contexts)  # type: ignore[arg-type]


def test_a_turn_leaves_the_warming_run_out() -> None:
    (turns,) = race(FakeContext(0.5))
    assert turns == [0.5] * TRIAL_ROUNDS


def test_a_time_is_of_one_launch() -> None:
    timing = measure._timing([1.0, 2.0, 1.5], 0.0, repeats=10)
    assert (timing.ns, timing.noise) == (pytest.approx(1.5e5), pytest.approx(0.25 / 1.5))
    assert measure._timing([], 3.0, 10).ns == float("inf")


def test_who_is_behind_leaves_the_sooner_the_farther() -> None:
    near, noisy = FakeContext(1.09, 1.0), FakeContext(1.05, 1.08)
    others = [FakeContext(1.01 * limit) for limit in (2.0, 1.5, 1.25, 1.1)]
    race(near, *others, noisy)
    assert [c.turns for c in others] == [1, 2, TRIAL_ROUNDS, STEADY_ROUNDS]
    assert near.turns - 1 == noisy.turns == ROUNDS  # the first also told how many runs fill a turn


def test_times_that_do_not_change_end_the_race() -> None:
    steady, also = FakeContext(1.0), FakeContext(1.01, 1.011)
    race(steady, also)
    assert steady.turns - 1 == also.turns == STEADY_ROUNDS


def test_who_is_alone_need_not_run_on() -> None:
    alone = FakeContext(1.0)
    race(alone, FakeContext(5.0))
    assert alone.turns - 1 == TRIAL_ROUNDS


def test_first_turns_are_short_and_no_turn_is_longer_than_need_be() -> None:
    fast, slow = FakeContext(0.1), FakeContext(50.0)
    race(fast)
    assert fast.runs[1:] == [int(FIRST_MS / 0.1)] * TRIAL_ROUNDS
    also = FakeContext(0.1)
    race(also, FakeContext(0.1))
    assert also.runs[-1] == int(TURN_MS / 0.1)
    race(slow)
    assert set(slow.runs) == {FEWEST_RUNS}


def test_a_race_that_takes_too_long_ends_after_the_first_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter(range(0, 1000, 10))
    monkeypatch.setattr(measure.time, "perf_counter", lambda: float(next(ticks)))
    one, other = FakeContext(1.0, 1.05), FakeContext(1.0, 1.05)
    race(one, other)
    assert other.turns == TRIAL_ROUNDS


def test_who_answers_otherwise_never_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    raced: list[int] = []
    monkeypatch.setattr(measure, "_differences", lambda trial, answers, contexts: [0.0, 2.0, 0.5])
    monkeypatch.setattr(measure, "_race", lambda contexts: raced.append(len(contexts)) or [[1.0], [2.0]])
    plan = TRIAL.plan(next(iter(schedules_of(TRIAL.task, V3).values())), V3)
    timings = make_measure(Cpu(), threads=1)(TRIAL, [plan] * 3)
    assert raced == [2]
    assert [t.ns * TRIAL.repeats for t in timings] == [1e6, float("inf"), 2e6]
    assert [t.apart for t in timings] == [0.0, 2.0, 0.5]


def test_candidates_on_a_processor_get_times_and_agree() -> None:
    plans = [TRIAL.plan(s, V3) for s in list(schedules_of(TRIAL.task, V3).values())[:3]]
    timings = make_measure(Cpu(), threads=2)(TRIAL, plans)
    assert all(0 < t.ns < 1e9 and t.apart <= 1 for t in timings)


def test_kernels_run_in_a_turn_and_a_build_says_once_that_it_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[str] = []
    lines: list[str] = []

    @contextmanager
    def turn(identity: str, say: Callable[[str], None]) -> Iterator[None]:
        say("waits")
        inside.append(identity)
        yield
        inside.pop()

    def seen(contexts: object) -> list[list[float]]:
        assert inside == ["measures-cpu"]
        return [[1.0]]

    monkeypatch.setattr(measure, "turn", turn)
    monkeypatch.setattr(measure, "_race", seen)
    run = make_measure(Cpu(), threads=1, explain=lines.append)
    plan = TRIAL.plan(next(iter(schedules_of(TRIAL.task, V3).values())), V3)
    assert [run(TRIAL, [plan])[0].apart for _ in range(2)] == [0.0, 0.0]
    assert (inside, lines) == ([], ["waits"])
