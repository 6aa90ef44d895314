"""A server started by a command line, in a process of its own, as a shell would."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.serve.app.server_process import ROOT, ServerProcess

# What `burnish serve` and `burnish tritonserver` call the addresses that they print.
ADDRESSES = {
    "http": r"HTTP +http\S*:(\d+)|HTTPService at \S*:(\d+)",
    "grpc": r"gRPC +\S+:(\d+)|GRPCInferenceService at \S*:(\d+)",
    "metrics": r"metrics +http\S+:(\d+)|Metrics Service at \S*:(\d+)",
}


@contextlib.contextmanager
def serving(*arguments: object, environment: dict[str, str] | None = None) -> Iterator[tuple[ServerProcess, Path]]:
    """The server once it says where it listens, and the file that its stderr goes to. It must end by SIGTERM with 0."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "stderr"
        command = [sys.executable, "-m", "burnish", *map(str, arguments)]
        with log.open("w") as stderr:
            process = subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=ROOT,
                env=os.environ | (environment or {}),
            )
        try:
            yield ServerProcess(process, *_ports(process, log), []), log
        finally:
            process.terminate()
            try:
                assert process.wait(20) == 0, log.read_text()
            finally:
                process.kill()
                assert process.stdout is not None
                process.stdout.close()


def _ports(process: subprocess.Popen[str], log: Path) -> list[int]:
    """HTTP, gRPC and metrics, which is printed last; 0 for one that is not open."""
    while True:
        text = log.read_text()
        found = [re.search(pattern, text) for pattern in ADDRESSES.values()]
        if found[2]:
            return [int(next(filter(None, match.groups()))) if match else 0 for match in found]
        with contextlib.suppress(subprocess.TimeoutExpired):
            raise AssertionError(f"ended with {process.wait(0.02)}: {text}")
