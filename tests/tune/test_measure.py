"""measure.py: turns, who leaves the race, whose answer counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pytest

from burnish.devices.cpu import Cpu
from burnish.tune import measure
from burnish.tune.look_up import schedules_of
from burnish.tune.measure import BEHIND, ROUNDS, TRIAL_ROUNDS, make_measure
from burnish.tune.task import tasks_of
from burnish.tune.trial import make_trial
from tests.tune.programs import V3, batches, program

PROGRAM = program(batches(1, 2, 9))
TASKS = tasks_of(PROGRAM)
TRIAL = make_trial(PROGRAM, next(t for t in TASKS if t.summary.endswith("sum 2048")), V3)


class FakeContext:
    """Answers with ones times `answer`; a run takes `milliseconds`."""

    def __init__(self, milliseconds: float, answer: float = 1.0) -> None:
        self.milliseconds, self.answer, self.turns = milliseconds, answer, 0

    def __call__(self, inputs: Mapping[str, np.ndarray], out: Mapping[str, np.ndarray]) -> Mapping[str, np.ndarray]:
        for array in out.values():
            array.view(np.float32)[:] = self.answer
        return out

    def time(self, inputs: None, repeats: int) -> list[float]:
        self.turns += 1
        return [9 * self.milliseconds] + [self.milliseconds] * (repeats - 1)


def race(*contexts: FakeContext) -> list[measure.Timing]:
    return measure._race(TRIAL, contexts)  # type: ignore[arg-type]


def test_a_time_is_of_one_launch_and_leaves_the_warming_run_out() -> None:
    (timing,) = race(FakeContext(0.5))
    assert timing.ns == pytest.approx(0.5e6 / TRIAL.repeats)
    assert timing.noise == 0


def test_who_is_far_behind_leaves_after_a_few_rounds() -> None:
    near, far = FakeContext(1.0), FakeContext(1.1 * BEHIND)
    also = FakeContext(1.01)
    race(near, far, also)
    assert far.turns == TRIAL_ROUNDS
    assert near.turns - 1 == also.turns == ROUNDS  # the first also told how many runs fill a turn


def test_who_is_alone_need_not_run_on() -> None:
    alone = FakeContext(1.0)
    race(alone, FakeContext(5.0))
    assert alone.turns - 1 == TRIAL_ROUNDS


def test_who_answers_otherwise_never_runs() -> None:
    wrong = FakeContext(0.1, answer=1.01)
    timings = race(FakeContext(1.0), wrong)
    assert timings[1].apart > 1
    assert timings[1].ns == float("inf")
    assert wrong.turns == 0


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

    def seen(trial: object, contexts: object) -> list[measure.Timing]:
        assert inside == ["cpu"]
        return [measure.Timing(1.0)]

    monkeypatch.setattr(measure, "turn", turn)
    monkeypatch.setattr(measure, "_race", seen)
    run = make_measure(Cpu(), threads=1, explain=lines.append)
    plan = TRIAL.plan(next(iter(schedules_of(TRIAL.task, V3).values())), V3)
    assert [run(TRIAL, [plan])[0].ns for _ in range(2)] == [1.0, 1.0]
    assert (inside, lines) == ([], ["waits"])
