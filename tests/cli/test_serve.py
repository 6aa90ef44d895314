"""`burnish serve`: a plan or a repository is served from one command until SIGTERM."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.cli.serving import serving
from tests.serve.app.server_process import ROOT

FREE = ("--http-port", "0", "--grpc-port", "0", "--metrics-port", "0")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_plan_is_served_as_the_model_of_its_name(plan: Path) -> None:
    with serving("serve", plan, *FREE) as (server, log):
        assert server.get("/v2/health/ready")[0] == 200
        status, answer = server.get("/v2")
        assert (status, answer["name"]) == (200, "burnish")
        assert server.get("/v2/models/small")[1]["inputs"][0]["name"] == "x"
        lines = [line.split() for line in log.read_text().splitlines()]
        head = lines.index(["model", "version", "state", "backend", "memory"])
        assert lines[head + 1][:3] == ["small", "1", "READY"]


def test_a_repository_is_loaded_on_request_with_explicit_control(plan: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "1" / "model.plan").symlink_to(plan)
    words = ("--control", "explicit", "--load", "one", "--log-format", "json")
    with serving("serve", tmp_path, *FREE, *words) as (server, _):
        assert server.get("/v2/models/one/ready")[0] == 200
        assert server.get("/v2/models/two/ready")[0] == 400
        assert server.post("/v2/repository/models/two/load")[0] == 200
        assert server.get("/v2/models/two/ready")[0] == 200


def test_ctrl_c_while_a_model_still_loads_ends_the_server_as_if_it_had_served(tmp_path: Path) -> None:
    (tmp_path / "slow" / "1").mkdir(parents=True)
    (tmp_path / "slow" / "1" / "model.py").write_text("import time\ntime.sleep(1.5)")  # and then no model: status 2
    (tmp_path / "slow" / "config.pbtxt").write_text('backend: "python"')
    port = free_port()
    command = [sys.executable, "-m", "burnish", "serve", tmp_path, *FREE, "--http-port", str(port)]
    with subprocess.Popen(command, cwd=ROOT) as process:
        wait_until(lambda: listens(port))
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def test_a_model_that_cannot_be_loaded_ends_the_command_with_its_reason(command: Command, tmp_path: Path) -> None:
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "model.plan").write_bytes(b"no plan")
    done = command("serve", tmp_path, *FREE)
    assert (done.code, "error E643" in done.err, "'m'" in done.err) == (2, True, True)


def test_a_port_that_is_taken_is_named(command: Command, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = command("serve", tmp_path, *FREE, "--http-port", port)
    assert (done.code, f"E850: port {port} of 127.0.0.1" in done.err) == (3, True)


def test_a_package_that_is_not_installed_is_named(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "burnish.serve.app.run", raising=False)
    monkeypatch.setitem(sys.modules, "uvloop", None)
    done = command("serve", tmp_path)
    assert (done.code, "E644" in done.err, "uvloop" in done.err) == (3, True, True)


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--control", "always"), "--control does not take 'always'"),
        (("--load", "m"), "--load is for --control explicit alone"),
        (("--http-port", "http"), "--http-port does not take 'http'"),
        (("--http-port", "65536"), "--http-port does not take '65536'"),
        (("--log-format", "xml"), "--log-format does not take 'xml'"),
        (("--tls-cert", "a.pem"), "TLS needs a certificate and its key"),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(
    command: Command, tmp_path: Path, words: tuple[str, ...], part: str
) -> None:
    done = command("serve", tmp_path, *words)
    assert (done.code, "E642" in done.err, part in done.err) == (2, True, True)
