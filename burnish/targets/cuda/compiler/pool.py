"""Compile many sources in parallel: worker processes of our own, which read tasks and write answers through pipes.

`multiprocessing` would start a caller's script again in each worker; these workers import this module and nothing else.
From two sources on, the time saved pays for a worker's start (0.5 s).

All threads know which sources are compiled or being compiled, so nothing is compiled twice.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future

from burnish.devices.cpu.processor import core_count
from burnish.errors import BurnishError, InternalError
from burnish.target import Target
from burnish.targets.cuda.compiler.compile import Cubin, compile_one, import_triton
from burnish.targets.cuda.source import Source

Task = tuple[Source, Target]
Answer = Cubin | BurnishError
FEW = 4  # up to so many are compiled here

_known: dict[Task, Future[Answer]] = {}
_knowing = threading.Lock()  # of `_known`
_turn = threading.Lock()  # the compiler's settings, and the standard output, are the process's: one caller at a time


def compile_sources(sources: Sequence[Task], progress: Callable[[int, int], None] | None = None) -> list[Cubin]:
    """A cubin for each source, in their order; equal ones are compiled once, many of them in parallel.

    progress: called with (done, all) after each
    cost:     0.2 to 0.6 s of a core a kernel
    raises:   E840 if triton is not installed; E920 for a source that does not compile, E921 if the compiler itself dies
    """
    found = try_sources(sources, progress)
    for answer in found:
        if isinstance(answer, BurnishError):
            raise answer
    return [answer for answer in found if isinstance(answer, Cubin)]


def try_sources(sources: Sequence[Task], progress: Callable[[int, int], None] | None = None) -> list[Answer]:
    """As `compile_sources`, with the error in place of a cubin that cannot be had (E920, E921)."""
    distinct = list(dict.fromkeys(sources))
    answers = dict(zip(distinct, compile_distinct(distinct, progress)))
    return [answers[s] for s in sources]


def compile_distinct(tasks: Sequence[Task], progress: Callable[[int, int], None] | None = None) -> list[Answer]:
    """A cubin, or the reason why there is none, for each of these different tasks; earlier results are remembered."""
    import_triton()
    with _knowing:
        missing = [t for t in tasks if t not in _known]
    workers = min(len(missing) // 2, core_count())
    is_worth_it = len(missing) > FEW and workers > 1 and sys.executable
    with Pool(workers if is_worth_it else 0) as pool:
        pool.begin(missing)
        for n, task in enumerate(missing, len(tasks) - len(missing) + 1):
            _answer_to(task)
            if progress is not None:
                progress(n, len(tasks))
    return [_answer_to(t) for t in tasks]


def _answer_to(task: Task) -> Answer:
    """The result of whoever is compiling the task, or else compile it in this process."""
    while True:
        with _knowing:
            found = _known.get(task)
            future = found or _known.setdefault(task, Future())
        try:
            if found is None:
                with _turn:
                    future.set_result(_answer(task))
            return future.result()
        except CancelledError:
            continue  # whoever began it has stopped
        finally:
            if found is None:
                _forget({task: future})  # if it was interrupted


def _answer(task: Task) -> Answer:
    try:
        return compile_one(*task)
    except BurnishError as e:
        return e


def _forget(begun: dict[Task, Future[Answer]]) -> None:
    """Cancel the tasks that nobody has begun to compile."""
    with _knowing:
        for task, future in begun.items():
            if not future.cancelled() and future.cancel():
                del _known[task]


class Pool:
    """Worker processes, each with a thread that hands it one task after the other; one that dies is replaced.

    They start when there is work for them, and end with the pool. Tasks not begun by then are not compiled.
    workers: the most processes; 0: no task is begun. niceness: of the workers; higher values yield to other processes
    """

    def __init__(self, workers: int, niceness: int = 0) -> None:
        self._workers, self._niceness = workers, niceness
        self._waiting: queue.SimpleQueue[tuple[Task, Future[Answer]] | None] = queue.SimpleQueue()
        self._begun: dict[Task, Future[Answer]] = {}
        self._threads: list[threading.Thread] = []

    def begin(self, tasks: Sequence[Task]) -> int:
        """Queue these tasks, and return at once. Returns their number, without tasks that others have begun."""
        new: dict[Task, Future[Answer]] = {}
        with _knowing:
            for task in tasks if self._workers else ():
                if task not in _known:
                    new[task] = _known[task] = Future()
        self._begun |= new
        for item in new.items():
            self._waiting.put(item)
        for _ in range(min(self._workers, len(self._begun)) - len(self._threads)):
            self._threads.append(threading.Thread(target=self._serve, daemon=True))
            self._threads[-1].start()
        return len(new)

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, problem: type[BaseException] | None, *_: object) -> None:
        self.close(wait=problem is None)

    def close(self, wait: bool) -> None:
        """wait: until running compilations and the processes have ended."""
        _forget(self._begun)
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _serve(self) -> None:
        with contextlib.ExitStack() as stack:
            process: subprocess.Popen[bytes] | None = None
            while (item := self._waiting.get()) is not None:
                task, future = item
                if future.cancelled():
                    continue
                try:
                    process = process or self._start(stack)
                except OSError:  # no more processes: whoever waits for it compiles it
                    _forget({task: future})
                    continue
                if future.set_running_or_notify_cancel():
                    answer = _ask(process, task)
                    process = process if answer is not None else None
                    future.set_result(answer or _died(task))

    def _start(self, stack: contextlib.ExitStack) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        command = [sys.executable, "-c", f"from burnish.targets.cuda.compiler.pool import work; work({self._niceness})"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        stack.enter_context(process)
        stack.callback(process.communicate)  # ends its input, and waits for it: an interruption would not
        return process


def _ask(process: subprocess.Popen[bytes], task: Task) -> Answer | None:
    """The process's answer; None if it ended without one."""
    assert process.stdin is not None and process.stdout is not None
    try:
        pickle.dump(task, process.stdin)
        process.stdin.flush()
        answer: Answer = pickle.load(process.stdout)
    except (EOFError, OSError, pickle.PickleError):
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


def work(niceness: int = 0) -> None:
    """A worker process: tasks from the standard input, answers to the standard output, until the input ends.

    Ctrl-C reaches all processes of a terminal. Workers ignore it: the process that began the work decides.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(niceness)
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
        try:
            pickle.dump(answer, answers)
            answers.flush()
        except BrokenPipeError:  # whoever asked is gone
            os._exit(0)  # the stream would try once more
