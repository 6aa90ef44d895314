from __future__ import annotations

import socket
import sys
from pathlib import Path
from types import ModuleType

import pytest

from burnish.cli.serve.on_ray import read_ray_options, serve_on_ray
from burnish.errors import EnvironmentProblem, UserError
from burnish.serve.ray import deploy as module
from tests.cli.serve.test_read_options import GIVEN

RAY = {**GIVEN, "ray": "auto", "replicas": "2", "replica_requests": 16.0, "replica_cores": 1.0}


@pytest.fixture
def _has_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray itself is not asked in these tests."""
    for name in ("ray", "ray.serve"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))


def deploys(monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> list:
    seen = []

    def deploy(options, ray_options):
        seen.append((options, ray_options))
        if error is not None:
            raise error

    monkeypatch.setattr(module, "deploy", deploy)
    return seen


def test_replicas_are_a_number_or_a_range():
    assert read_ray_options({**RAY, "replicas": "3"}).max_replicas == 3
    found = read_ray_options({**RAY, "replicas": "2:8", "replica_requests": 4.0, "replica_cores": 2.0, "ray": "h:1"})
    assert (found.address, found.replicas, found.max_replicas, found.requests, found.cores) == ("h:1", 2, 8, 4.0, 2.0)
    for wrong in ("", "0", "x", "8:2", "2:", ":2", "-1"):
        with pytest.raises(UserError, match="E642"):
            read_ray_options({**RAY, "replicas": wrong})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"control": "explicit"}, "one replica alone"),
        ({"shared_memory": True}, "--shared-memory"),
        ({"tls_cert": Path("c.pem")}, "--tls-cert"),
        ({"grpc_port": "9001"}, "--grpc-port"),
        ({"metrics_port": "0"}, "--metrics-port"),
        ({"http_port": "off"}, "--http-port"),
        ({"http_port": "0"}, "--http-port"),
    ],
)
def test_what_does_not_go_with_ray_is_refused(tmp_path, changes, words):
    with pytest.raises(UserError, match="E642") as found:
        serve_on_ray([tmp_path], {**RAY, **changes})
    assert words in str(found.value)


def test_a_file_is_refused(tmp_path):
    (tmp_path / "m.plan").touch()
    with pytest.raises(UserError, match="not the file"):
        serve_on_ray([tmp_path / "m.plan"], RAY)


def test_without_the_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EnvironmentProblem, match="E644"):
        serve_on_ray([tmp_path], RAY)


@pytest.mark.usefixtures("_has_ray")
def test_a_repository_is_deployed_by_its_absolute_path(tmp_path, monkeypatch, capsys):
    seen = deploys(monkeypatch)
    monkeypatch.chdir(tmp_path)
    serve_on_ray([Path(".")], {**RAY, "replicas": "2:8", "workers": 3})
    ((options, ray_options),) = seen
    assert options.server.repositories == (tmp_path,)
    assert (options.workers, options.http_port, options.grpc_port, options.metrics_port) == (3, 8000, None, None)
    assert ray_options.max_replicas == 8
    assert "http://127.0.0.1:8000 on each node, 2 to 8 replicas" in capsys.readouterr().err


@pytest.mark.usefixtures("_has_ray")
def test_a_cluster_that_is_not_there_and_a_model_that_does_not_load_are_told(tmp_path, monkeypatch):
    deploys(monkeypatch, ConnectionError("nobody\nlistens"))
    with pytest.raises(EnvironmentProblem, match="E851") as found:
        serve_on_ray([tmp_path], RAY)
    assert "nobody" in str(found.value) and "listens" not in str(found.value)
    deploys(monkeypatch, RuntimeError("m: no such file"))
    with pytest.raises(UserError, match="E643") as refused:
        serve_on_ray([tmp_path], RAY)
    assert "m: no such file" in str(refused.value)


@pytest.mark.usefixtures("_has_ray")
def test_an_address_where_nobody_listens_is_told_at_once(tmp_path, monkeypatch):
    seen = deploys(monkeypatch)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, but nobody listens
        for address in (f"127.0.0.1:{closed.getsockname()[1]}", "127.0.0.1:x"):
            with pytest.raises(EnvironmentProblem, match="E851"):
                serve_on_ray([tmp_path], {**RAY, "ray": address})
    assert seen == []
