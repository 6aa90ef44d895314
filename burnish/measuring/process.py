"""A contender's process, as the measuring process sees it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from burnish.errors import from_json
from burnish.measuring.report import Contender, Latency


class Measured:
    """A system in its own process. It is loaded, and idle until it is asked for a block of runs."""

    def __init__(self, name: str, model: Path, inputs: Path, threads: int, device: str = "") -> None:
        self.name, self.times_ms = name, list[float]()
        places = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places))}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "burnish.measuring.contender", name, str(model), str(inputs), str(threads), device],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            text=True,
        )
        self._start = self._answer()
        self.problem: str = self._start.get("problem", "")
        self.error = from_json(self._start["error"]) if "error" in self._start else None

    @property
    def first_run_ms(self) -> float:
        return float(self._start["first_run_ms"])

    def block(self, runs: int) -> list[float]:
        """Times [ms] of this many runs, one after the other."""
        return [float(t) for t in self._ask({"runs": runs}).get("times_ms", [])]

    def layers(self) -> list[dict[str, Any]]:
        """The rows of `systems.profile_layers`."""
        return list(self._ask({"layers": True}).get("layers", []))

    def launches_ms(self, runs: int) -> float | None:
        """The answer of `systems.launches_ms`."""
        return self._ask({"launches": runs}).get("launches_ms")

    def finish(self) -> Contender:
        """End the process, and give its numbers from the blocks kept in `times_ms`."""
        if self.problem or not self.times_ms:
            self.close()
            return Contender(self.name, problem=self.problem or "it did not answer")
        memory = self._ask({}).get("peak_rss_mib", 0.0)
        self.close()
        latency = Latency.of(self.times_ms)
        throughput = 1e3 * len(self.times_ms) / sum(self.times_ms)
        return Contender(self.name, latency, throughput, len(self.times_ms), **self._start, peak_rss_mib=memory)

    def close(self) -> None:
        """Stop the process, whatever it is doing."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # requests that it did not read
                    stream.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except OSError:
            return self._died()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return dict(json.loads(line)) if line else self._died()

    def _died(self) -> dict[str, Any]:
        self.problem = f"its process ended with exit code {self._process.wait()}"
        return {"problem": self.problem}
