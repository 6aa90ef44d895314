"""Systems in processes of their own, asked in turns, so that a slow moment of the machine hits all alike."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

BLOCK_MS = 150.0  # of runs; at least 10
PAUSE_S = 0.05
LIMIT_S = 420.0  # for one answer: torch tunes for minutes; a kernel that never ends must not take the session with it


class Process:
    """A contender's process (gpu_contender.py), seen from the one that measures. Its stderr is this one's."""

    def __init__(self, name: str, command: Sequence[str], spec: dict[str, Any], environment: Mapping[str, str]) -> None:
        self.name, self.spec = name, spec
        self._process = subprocess.Popen(
            [*command, json.dumps(spec)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=sys.stderr.fileno() if name == "burnish" else subprocess.DEVNULL,
            env=dict(environment),
            text=True,
        )
        start = self._answer()
        self.problem: str = start.get("problem", "")
        self.load_ms = float(start.get("load_ms", 0.0))

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:
            return self._died()
        return self._answer()

    def close(self) -> None:
        """Stop the process, whatever it is doing."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        watch = threading.Timer(LIMIT_S, self._process.kill)
        watch.start()
        line = self._process.stdout.readline()
        watch.cancel()
        return dict(json.loads(line)) if line else self._died()

    def _died(self) -> dict[str, Any]:
        self.problem = f"its process ended with exit code {self._process.wait()}"
        return {"problem": self.problem}


def measure_in_turns(contenders: Sequence[Process], rounds: int) -> dict[str, dict[str, Any]]:
    """By name: median, p10 and p90 of all runs [ms], and the median of each round. Round 0 warms up."""
    times: dict[str, list[float]] = {c.name: [] for c in contenders}
    rounds_ms: dict[str, list[float]] = {c.name: [] for c in contenders}
    runs = dict.fromkeys(times, 10)
    for number in range(rounds + 1):
        for contender in contenders:
            if contender.problem:
                continue
            time.sleep(PAUSE_S)
            block = contender.ask({"runs": runs[contender.name]})
            if "problem" in block:
                contender.problem = block["problem"]
            elif number == 0:
                runs[contender.name] = int(min(300, max(10, BLOCK_MS / max(min(block["times_ms"]), 1e-3))))
            else:
                times[contender.name] += block["times_ms"]
                rounds_ms[contender.name].append(round(float(np.median(block["times_ms"])), 5))
    return {c.name: _facts(c, times[c.name], rounds_ms[c.name]) for c in contenders}


def _facts(contender: Process, times: Sequence[float], rounds_ms: Sequence[float]) -> dict[str, Any]:
    if contender.problem or not times:
        return {"problem": contender.problem or "it was not measured"}
    p10, median, p90 = (float(v) for v in np.percentile(times, (10, 50, 90)))
    return {"ms": median, "p10": p10, "p90": p90, "rounds_ms": list(rounds_ms), "runs": len(times)}
