"""ahead.py: what is compiled while other tasks are measured."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Launch
from burnish.target import parse_target
from burnish.tune import ahead as module
from burnish.tune.ahead import FEWEST, MOST, CompileAhead
from burnish.tune.look_up import schedules_of
from burnish.tune.task import tasks_of
from burnish.tune.trial import launch_at_opt, make_trial
from tests.tune.programs import V3, batches, program

PROGRAM = program(batches(1, 4, 9))
SIZES = PROGRAM.sizes
TASK = tasks_of(PROGRAM)[0]
SM_90A = parse_target("cuda:sm_90a")


class Compiler:
    """Notes what it is to compile."""

    def __init__(self) -> None:
        self.begun: list[tuple[Launch, int]] = []
        self.is_open = False

    def begin(self, launch: Launch, schedules: Sequence[Schedule]) -> None:
        assert self.is_open
        self.begun.append((launch, len(schedules)))

    def __enter__(self) -> Compiler:
        self.is_open = True
        return self

    def __exit__(self, *problem: object) -> None:
        self.is_open = False


@pytest.fixture
def compiler(monkeypatch: pytest.MonkeyPatch) -> Compiler:
    found = Compiler()
    monkeypatch.setattr(module, "compiler_of", lambda target: SimpleNamespace(compile_ahead=lambda: found))
    return found


def test_candidates_are_begun_in_order_up_to_so_many_and_again_when_few_are_left(compiler: Compiler) -> None:
    lines: list[str] = []
    each, count = 8, 40
    with CompileAhead([TASK] * count, SIZES, V3, lambda task: [Schedule("x")] * each, lines.append) as ahead:
        for number in range(count):
            ahead.reach(number)
            left = sum(n for _, n in compiler.begun[number:])
            assert left <= MOST
            assert left >= min(FEWEST, each * (count - number))
    assert len(compiler.begun) == count and not compiler.is_open
    assert lines[0] == f"compiling {MOST} candidates of {MOST // each} tasks"
    assert len(lines) < count / 4


def test_a_task_with_more_candidates_than_that_is_begun_when_its_turn_comes(compiler: Compiler) -> None:
    with CompileAhead([TASK] * 3, SIZES, V3, lambda task: [Schedule("x")] * 500, lambda line: None) as ahead:
        for number in range(3):
            ahead.reach(number)
            assert len(compiler.begun) == number + 1


def test_launches_are_those_of_the_trial(compiler: Compiler) -> None:
    with CompileAhead([TASK], SIZES, V3, lambda task: [Schedule("x")], lambda line: None) as ahead:
        ahead.reach(0)
    (launch, _) = compiler.begun[0]
    in_trial = make_trial(PROGRAM, TASK, V3).program.steps[0]
    assert isinstance(in_trial, Launch) and launch.kernel is in_trial.kernel
    assert [b.offset for b in launch.bindings] == [b.offset for b in in_trial.bindings]


def test_where_compiling_is_fast_nothing_is_begun() -> None:
    with CompileAhead([TASK], SIZES, V3, lambda task: [Schedule("x")], lambda line: pytest.fail(line)) as ahead:
        ahead.reach(0)


def test_a_trial_on_a_gpu_finds_what_was_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("triton")
    from burnish.targets.cuda.compiler import pool as compile_pool

    def offered(task: object) -> list[Schedule]:
        return list(schedules_of(TASK, SM_90A).values())[:2]

    monkeypatch.setattr(compile_pool, "_known", {})
    monkeypatch.setattr(compile_pool, "_answer", lambda task: pytest.fail("compiled in this process"))
    trial = make_trial(PROGRAM, TASK, SM_90A)
    with CompileAhead([TASK], SIZES, SM_90A, offered, lambda line: None) as ahead:
        ahead.reach(0)
        for schedule in offered(TASK):
            assert any(name.startswith("cubin/") for name in trial.plan(schedule, SM_90A).blobs)
    assert launch_at_opt(TASK.launches[0], SIZES).kernel is TASK.kernel
