"""The processes that send, as the process that measures sees them."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from burnish.errors import EnvironmentProblem
from burnish.perf.load.job import Job
from burnish.perf.load.schedule import Share
from burnish.perf.load.worker import Collected
from burnish.perf.samples import Samples

GRACE_S = 5.0  # for requests in flight when a level ends


@dataclass(frozen=True, slots=True)
class Batch:
    """What all processes recorded since the last time. gaps: (end, gap) pairs as int64 bytes."""

    samples: Samples
    gaps: bytes
    errors: Counter[str]
    processor_ns: tuple[int, ...]
    waiting: int


class Workers:
    """Processes that load one server together. Leaving it ends them."""

    def __init__(self, job: Job, count: int) -> None:
        self._processes = [_spawn() for _ in range(count)]
        for index, process in enumerate(self._processes):
            self._send(process, replace(job, index=index, count=count))
        self.collect()  # they are ready when they answer

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, share: Share) -> None:
        """Begin a level; each process takes its part of the slots and of the requests."""
        count = len(self._processes)
        for index, process in enumerate(self._processes):
            slots, limit = (_part(n, index, count) for n in (share.slots, share.limit))
            if share.limit and not limit:
                continue
            part = replace(share, slots=slots, limit=limit, index=index, count=count)
            if slots or share.is_open:
                self._send(process, ("start", replace(part, slots=max(slots, 1))))

    def collect(self) -> Batch:
        return self._gather(("collect",))

    def stop(self) -> Batch:
        """End the level. What ended in the grace time is in the batch."""
        return self._gather(("stop", GRACE_S))

    def close(self) -> None:
        for process in self._processes:
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
        for process in self._processes:
            try:
                process.wait(timeout=2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _gather(self, command: tuple[Any, ...]) -> Batch:
        for process in self._processes:
            self._send(process, command)
        parts = [self._answer(process) for process in self._processes]
        errors: Counter[str] = Counter()
        for part in parts:
            errors.update(part.errors)
        return Batch(
            Samples.join(Samples.read(p.times) for p in parts),
            b"".join(p.gaps for p in parts),
            errors,
            tuple(p.processor_ns for p in parts),
            sum(p.waiting for p in parts),
        )

    def _send(self, process: subprocess.Popen[bytes], command: object) -> None:
        assert process.stdin is not None
        try:
            pickle.dump(command, process.stdin)
            process.stdin.flush()
        except OSError:
            raise _died(process) from None

    def _answer(self, process: subprocess.Popen[bytes]) -> Collected:
        assert process.stdout is not None
        try:
            found: Collected = pickle.load(process.stdout)
        except (EOFError, pickle.UnpicklingError):
            raise _died(process) from None
        return found


def _part(total: int, index: int, count: int) -> int:
    """This process' part of a number of slots or requests."""
    return total // count + (index < total % count)


def _spawn() -> subprocess.Popen[bytes]:
    places = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
    return subprocess.Popen(
        [sys.executable, "-P", "-c", "from burnish.perf.load.worker import main; main()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )


def _died(process: subprocess.Popen[bytes]) -> EnvironmentProblem:
    try:
        code: int | str = process.wait(timeout=2)
    except subprocess.TimeoutExpired:
        code = "unknown"
    return EnvironmentProblem(
        "E687",
        "a process that sends requests ended",
        why=f"its exit code is {code}",
        hint="look for messages above; with less memory left, use fewer --processes or smaller --data",
    )
