"""Compile many sources in parallel: worker processes of our own, which read tasks and write answers through pipes.

`multiprocessing` would start a caller's script again in each worker; these workers import this module and nothing else.
Two sources take long enough to pay for a worker's start (0.5 s).
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from burnish.errors import BurnishError, InternalError
from burnish.target import Target
from burnish.targets.cuda.compile import Cubin, compile_one, import_triton
from burnish.targets.cuda.source import Source

Task = tuple[Source, Target]
Answer = Cubin | BurnishError
FEW = 4  # up to so many are compiled here

_known: dict[Task, Answer] = {}
_turn = threading.Lock()  # the compiler's settings, and the standard output, are the process's: one caller at a time


def compile_distinct(tasks: Sequence[Task], progress: Callable[[int, int], None] | None = None) -> list[Answer]:
    """A cubin, or why there is none, for each of these different tasks; what was compiled before is remembered."""
    import_triton()
    with _turn:
        return _compile_distinct(tasks, progress)


def _compile_distinct(tasks: Sequence[Task], progress: Callable[[int, int], None] | None) -> list[Answer]:
    missing = [t for t in tasks if t not in _known]
    done = len(tasks) - len(missing)

    def finished(task: Task, answer: Answer) -> None:
        nonlocal done
        _known[task] = answer
        done += 1
        if progress is not None:
            progress(done, len(tasks))

    workers = min(len(missing) // 2, _cores())
    if len(missing) <= FEW or workers < 2 or not sys.executable:
        for task in missing:
            finished(task, _answer(task))
    else:
        _Pool(missing, finished).run(workers)
    return [_known[t] for t in tasks]


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _answer(task: Task) -> Answer:
    try:
        return compile_one(*task)
    except BurnishError as e:
        return e


class _Pool:
    """A thread for each worker process hands it one task after the other; a process that dies is replaced."""

    def __init__(self, tasks: Sequence[Task], finished: Callable[[Task, Answer], None]) -> None:
        self.finished = finished
        self.waiting: queue.SimpleQueue[Task] = queue.SimpleQueue()
        for task in tasks:
            self.waiting.put(task)
        self.lock = threading.Lock()
        self.failure: BaseException | None = None  # of this process: an interruption, a progress bar that raises

    def run(self, workers: int) -> None:
        threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(workers)]
        for t in threads:
            t.start()
        try:
            for t in threads:
                t.join()
        except BaseException as e:
            self.failure = e
            raise
        if self.failure is not None:
            raise self.failure

    def _serve(self) -> None:
        try:
            while self.failure is None and not self.waiting.empty():
                self._use_process()
        except BaseException as e:
            self.failure = e

    def _use_process(self) -> None:
        """Hand tasks to one process until there are none left, or it dies."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        command = [sys.executable, "-c", "from burnish.targets.cuda.compile_pool import work; work()"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment) as process:
            try:
                self._hand_out(process)
            finally:
                process.communicate()  # ends its input, and waits for it: an interruption would not

    def _hand_out(self, process: subprocess.Popen[bytes]) -> None:
        alive = True
        while alive and self.failure is None and (task := self._next()) is not None:
            answer = _ask(process, task)
            alive = answer is not None
            with self.lock:
                self.finished(task, answer or _died(task))

    def _next(self) -> Task | None:
        try:
            return self.waiting.get_nowait()
        except queue.Empty:
            return None


def _ask(process: subprocess.Popen[bytes], task: Task) -> Answer | None:
    """The process's answer; None if it ended without one."""
    assert process.stdin is not None and process.stdout is not None
    try:
        pickle.dump(task, process.stdin)
        process.stdin.flush()
        answer: Answer = pickle.load(process.stdout)
    except (EOFError, BrokenPipeError):
        return None
    return answer


def _died(task: Task) -> BurnishError:
    source, target = task
    return InternalError(
        "E921",
        f"the compiler's process ended while it compiled a kernel for {target}",
        where=source.name or "kernel",
        hint="if the machine ran out of memory, use fewer cores; else report it, and build with another schedule",
    )


def work() -> None:
    """A worker process: tasks from the standard input, answers to the standard output, until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a compiler prints goes to the errors
    tasks = sys.stdin.buffer
    while True:
        try:
            task: Task = pickle.load(tasks)
        except EOFError:
            return
        try:
            answer = _answer(task)
        except Exception as e:
            answer = InternalError("E901", f"compiling a kernel failed: {e!r}")
        pickle.dump(answer, answers)
        answers.flush()
