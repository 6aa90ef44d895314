"""Measuring on a machine that others use: for a moment client and server go before all other work."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path


@contextlib.contextmanager
def preferred(pids: Callable[[], Iterable[int]], leaders_first: bool = False) -> Iterator[None]:
    """Real-time priority for this process and these, with all their threads, and an end of it.

    pids: asked at the beginning and at the end, since what is started in between has the priority too
    leaders_first: each process' first thread, which holds its event loop, goes before those that compute, as it does
    without real-time priority by having slept
    Keep it under a second, and leave others as long in between. Caches are cold at its beginning.
    """
    _set({os.getpid(), *pids()}, os.SCHED_RR, 1, leaders_first)
    try:
        yield
    finally:
        _set({os.getpid(), *pids()}, os.SCHED_OTHER, 0, False)


def _set(pids: Iterable[int], policy: int, priority: int, leaders_first: bool) -> None:
    for pid in pids:
        with contextlib.suppress(FileNotFoundError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(ProcessLookupError):  # the thread has ended
                    extra = leaders_first and int(task.name) == pid
                    os.sched_setscheduler(int(task.name), policy, os.sched_param(priority + extra))
