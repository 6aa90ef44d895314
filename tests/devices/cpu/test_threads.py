"""threads.py: teams come, go, survive fork, and leave no thread behind."""

from __future__ import annotations

import functools
import gc
import os
import threading

import pytest
from llvmlite import ir

from burnish.devices.cpu import threads as threads_module
from burnish.devices.cpu.device import Cpu
from burnish.devices.cpu.elf import LoadedObject
from burnish.devices.cpu.threads import ThreadTeam
from burnish.errors import EnvironmentProblem
from burnish.target import Target
from burnish.targets.cpu.codegen import compile_module
from burnish.targets.cpu.team import declare_run, emit_team


@functools.cache
def empty_code() -> LoadedObject:
    module = ir.Module("empty")
    run = declare_run(module)
    ir.IRBuilder(run.append_basic_block("entry")).ret_void()
    emit_team(module, run)
    return Cpu().load(compile_module(module, Target("cpu", "x86-64-v2")))


def workers() -> int:
    return sum(t.name.startswith("burnish-") for t in threading.enumerate())


def test_a_thousand_teams_leave_no_thread_behind():
    for _ in range(1000):
        team = ThreadTeam(empty_code(), 2)
        team.launch(0, 0, 0, 0)
        team.close()
    assert workers() == 0


def test_workers_start_at_the_first_launch_and_leave_at_close():
    team = ThreadTeam(empty_code(), 3)
    assert workers() == 0
    team.launch(0, 0, 0, 0)
    assert workers() == 2
    team.close()
    team.close()
    assert workers() == 0


def test_a_forgotten_team_stops_its_workers():
    team = ThreadTeam(empty_code(), 2)
    team.launch(0, 0, 0, 0)
    del team
    gc.collect()
    assert workers() == 0


def test_a_forked_child_starts_its_own_workers():
    team = ThreadTeam(empty_code(), 2)
    team.launch(0, 0, 0, 0)
    child = os.fork()
    if not child:
        team.launch(0, 0, 0, 0)
        os._exit(0 if workers() == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
    team.launch(0, 0, 0, 0)
    team.close()


@pytest.mark.parametrize("count", [0, -1, 65])
def test_an_impossible_number_of_threads_is_refused(count: int):
    with pytest.raises(EnvironmentProblem, match="E521"):
        ThreadTeam(empty_code(), count)


def test_a_system_without_threads_to_give_is_said_so(monkeypatch: pytest.MonkeyPatch):
    class Refusing(threading.Thread):
        def start(self) -> None:
            if self.name == "burnish-2":
                raise RuntimeError("can't start new thread")
            super().start()

    monkeypatch.setattr(threads_module.threading, "Thread", Refusing)
    team = ThreadTeam(empty_code(), 3)
    with pytest.raises(EnvironmentProblem, match="E522"):
        team.launch(0, 0, 0, 0)
    assert workers() == 0


def test_a_process_that_never_closes_its_team_ends_all_the_same():
    child = os.fork()
    if not child:
        team = ThreadTeam(empty_code(), 2)
        team.launch(0, 0, 0, 0)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
