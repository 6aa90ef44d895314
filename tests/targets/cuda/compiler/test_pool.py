"""compile_pool.py: what several callers want is compiled once, what nobody wants any more is not."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from burnish.errors import InternalError
from burnish.targets.cuda.compiler import pool as compile_pool
from burnish.targets.cuda.compiler.pool import Pool, compile_distinct
from tests.targets.cuda.compiler.test_compile import variants

pytest.importorskip("triton")
TASKS = variants(6)


@pytest.fixture(autouse=True)
def nothing_is_known(monkeypatch):
    monkeypatch.setattr(compile_pool, "_known", {})


class Compiler:
    """Stands for worker processes: notes what it is asked; answers when `go` is set."""

    def __init__(self, monkeypatch):
        self.asked, self.go = [], threading.Event()
        monkeypatch.setattr(compile_pool, "_ask", self.ask)
        monkeypatch.setattr(Pool, "_start", lambda pool, stack: "a process")

    def ask(self, process, task):
        self.asked.append(task)
        self.go.wait(10)
        return InternalError("E920", task[0].name)

    def until(self, count):
        while len(self.asked) < count:
            time.sleep(0.001)


def names(answers):
    return [answer.what for answer in answers]


def test_what_was_begun_is_waited_for_and_not_compiled_again(monkeypatch):
    compiler = Compiler(monkeypatch)
    with Pool(2) as pool, ThreadPoolExecutor(2) as others:
        assert pool.begin(TASKS) == len(TASKS)
        assert pool.begin(TASKS[2:]) == 0
        asking = [others.submit(compile_distinct, TASKS) for _ in range(2)]
        compiler.until(2)
        assert not any(a.done() for a in asking)
        compiler.go.set()
        expected = [f"variant {n}" for n in range(len(TASKS))]
        assert [names(a.result(10)) for a in asking] == [expected] * 2
    assert sorted(t[0].name for t in compiler.asked) == expected


def test_a_pool_that_is_left_drops_what_it_has_not_begun_and_who_waits_for_that_compiles_it(monkeypatch):
    compiler = Compiler(monkeypatch)
    here = []
    monkeypatch.setattr(compile_pool, "_answer", lambda task: here.append(task) or InternalError("E920", task[0].name))
    with ThreadPoolExecutor(1) as others:
        with Pool(1) as pool:
            pool.begin(TASKS)
            compiler.until(1)
            asking = others.submit(compile_distinct, TASKS[:2])
            threading.Timer(0.05, compiler.go.set).start()
        assert names(asking.result(10)) == ["variant 0", "variant 1"]
    assert (compiler.asked, here) == (TASKS[:1], TASKS[1:2])
    assert list(compile_pool._known) == TASKS[:2]


def test_a_caller_that_is_interrupted_leaves_nothing_half_done(monkeypatch):
    def interrupt(task):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(compile_pool, "_answer", interrupt)
        with pytest.raises(KeyboardInterrupt):
            compile_distinct(TASKS[:1])
    monkeypatch.setattr(compile_pool, "_answer", lambda task: InternalError("E920", "again"))
    assert names(compile_distinct(TASKS[:1])) == ["again"]


def test_where_no_process_can_be_started_the_caller_compiles(monkeypatch):
    def refuse(*command, **options):
        raise BlockingIOError("no more processes")

    monkeypatch.setattr(compile_pool.subprocess, "Popen", refuse)
    monkeypatch.setattr(compile_pool, "_answer", lambda task: InternalError("E920", "here"))
    assert names(compile_distinct(TASKS)) == ["here"] * len(TASKS)


def test_a_pool_without_workers_begins_nothing():
    with Pool(0) as pool:
        assert pool.begin(TASKS) == 0


def test_workers_end_with_their_input_and_not_by_ctrl_c():
    source = "print('ready', flush=True); from burnish.targets.cuda.compiler.pool import work; work(3)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", source]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout.readline() == b"ready\n"
        ignored = lambda: int(next(v for k, v in status(process.pid) if k == "SigIgn"), 16) >> (signal.SIGINT - 1) & 1
        while not ignored():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        wanted = os.getpriority(os.PRIO_PROCESS, 0) + 3
        end = time.monotonic() + 10
        while os.getpriority(os.PRIO_PROCESS, process.pid) != wanted and time.monotonic() < end:
            time.sleep(0.01)  # it becomes less urgent a moment after it ignores Ctrl-C
        assert os.getpriority(os.PRIO_PROCESS, process.pid) == wanted
        assert process.poll() is None
        process.communicate()
    assert process.returncode == 0


def test_a_worker_whose_answer_nobody_waits_for_ends_without_a_word():
    source = "from burnish.targets.cuda.compiler.pool import work; work()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", source], env=environment, **pipes) as process:
        process.stdout.close()
        pickle.dump(TASKS[0], process.stdin)
        process.stdin.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def status(number):
    with open(f"/proc/{number}/status") as lines:
        return [(key, value.strip()) for key, _, value in (line.partition(":") for line in lines)]
