"""A team of threads in the native code of one plan (docs/native-abi.md).

Worker threads are Python threads that enter `burnish_worker` once, with the GIL released, and stay there; the calling
thread is thread 0. They start at the first launch and leave at `close`. A forked child has no workers: its team starts
them again at its next launch.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import weakref

import numpy as np

from burnish.devices.cpu.elf import LoadedObject
from burnish.devices.cpu.processor import core_count
from burnish.errors import EnvironmentProblem
from burnish.plan.native_abi import TEAM_BYTES

MAX_THREADS = 64
SPINS = 2000  # about 0.1 ms of `pause`
SPINS_WHEN_CROWDED = 20  # more threads than cores: a waiter must make room for those it waits for

_ADDRESS = ctypes.c_void_p
_LAUNCH = ctypes.CFUNCTYPE(None, _ADDRESS, ctypes.c_int64, _ADDRESS, _ADDRESS, _ADDRESS)
_WORKER = ctypes.CFUNCTYPE(None, _ADDRESS, ctypes.c_int64)
_STOP = ctypes.CFUNCTYPE(None, _ADDRESS)
_teams: weakref.WeakSet[ThreadTeam] = weakref.WeakSet()


class ThreadTeam:
    """A team of threads. The context that owns it allows one caller at a time."""

    def __init__(self, code: LoadedObject, threads: int) -> None:
        if not 1 <= threads <= MAX_THREADS:
            raise EnvironmentProblem(
                "E521",
                f"a team of {threads} threads is not possible",
                why=f"a team has 1 to {MAX_THREADS} threads",
                hint="set threads= (or BURNISH_THREADS) to the number of cores that should work",
            )
        self._code, self.threads = code, threads
        self._run = _LAUNCH(code.symbols["burnish_launch"])
        self._is_closed = False
        self._workers: list[threading.Thread] = []
        self._forget()
        _teams.add(self)

    def launch(self, segment: int, buffers: int, dims: int, profile: int) -> None:
        if not self._is_ready:
            self._start()
        self._run(self._address, segment, buffers, dims, profile)

    def close(self) -> None:
        self._is_closed = True
        self._stop_workers()

    def __del__(self) -> None:
        if getattr(self, "_workers", None) and not sys.is_finalizing():  # else they end with the process
            self.close()

    def _stop_workers(self) -> None:
        self._is_ready = False
        if self._workers:
            _STOP(self._code.symbols["burnish_stop"])(self._address)
            for worker in self._workers:
                worker.join()
            self._forget()

    def _forget(self) -> None:
        """A fresh team block and no workers; the next launch starts them."""
        self._block, self._address = _team_block()
        self._block[0] = self.threads
        self._block[1] = SPINS if self.threads <= core_count() else SPINS_WHEN_CROWDED
        self._workers = []
        self._is_ready = self.threads == 1 and not self._is_closed

    def _start(self) -> None:
        assert not self._is_closed, "launch after close"
        for number in range(1, self.threads):
            arguments = (self._code, self._block, self._address, number)
            worker = threading.Thread(target=_work, args=arguments, name=f"burnish-{number}", daemon=True)
            try:
                worker.start()
            except RuntimeError as error:
                self._stop_workers()
                raise _no_thread(number, self.threads) from error
            self._workers.append(worker)
        self._is_ready = True


def _work(code: LoadedObject, block: np.ndarray[tuple[int], np.dtype[np.int64]], address: int, number: int) -> None:
    """A worker's life. It holds the code and the block, not the team, so that a forgotten team can be collected."""
    _WORKER(code.symbols["burnish_worker"])(address, number)


def _team_block() -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], int]:
    """4,096 zeroed bytes on a 128-byte boundary, and their address."""
    raw = np.zeros(TEAM_BYTES // 8 + 16, np.int64)
    skip = -raw.ctypes.data % 128 // 8
    block = raw[skip : skip + TEAM_BYTES // 8]
    return block, block.ctypes.data


def _no_thread(number: int, threads: int) -> EnvironmentProblem:
    return EnvironmentProblem(
        "E522",
        f"cannot start worker thread {number} of {threads}",
        why="the system grants this process no more threads",
        hint="raise the limit (ulimit -u, or the container's pids limit), or set fewer threads",
    )


def _after_fork() -> None:
    for team in list(_teams):
        team._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
