"""A whole server in a process of its own, for tests that speak to it from outside."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
START = """
import sys, json, pathlib
from burnish.serve.app.options import ServeOptions
from burnish.serve.app.run import run
from burnish.serve.core.server import ServerOptions
given = json.loads(sys.argv[2])
server = ServerOptions((pathlib.Path(sys.argv[1]),), **given.pop("server", {}))
ports = {"http_port": 0, "grpc_port": 0, "metrics_port": 0}
paths = {k: pathlib.Path(v) for k, v in given.items() if k in ("build_cache", "trusted_key", "keys")}
options = ServeOptions(server, **{**ports, **given, **paths})
def started(where, failed):
    print(json.dumps([where.http, where.grpc, where.metrics, failed]), flush=True)
sys.exit(run(options, started))
"""


@dataclass
class ServerProcess:
    """failed: messages of models that could not be loaded."""

    process: subprocess.Popen[str]
    http: int
    grpc: int
    metrics: int
    failed: list[str]

    def get(self, path: str, port: int | None = None) -> tuple[int, Any]:
        return self.ask("GET", path, None, port)

    def post(self, path: str, body: Any = None) -> tuple[int, Any]:
        return self.ask("POST", path, body)

    def ask(self, method: str, path: str, body: Any = None, port: int | None = None) -> tuple[int, Any]:
        """The status and the answer, as JSON where it is some."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        asked = urllib.request.Request(
            f"http://127.0.0.1:{port or self.http}{path}", data or (b"" if method == "POST" else None), method=method
        )
        try:
            with urllib.request.urlopen(asked, timeout=30) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        try:
            return status, json.loads(text)
        except ValueError:
            return status, text.decode(errors="replace")


@contextlib.contextmanager
def running(repository: Path, **options: Any) -> Iterator[ServerProcess]:
    """Ends with SIGTERM and checks that the server then ends by itself."""
    command = [sys.executable, "-c", START, str(repository), json.dumps(options, default=str)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, "the server ended before it was ready"
            yield ServerProcess(process, *json.loads(line))
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
