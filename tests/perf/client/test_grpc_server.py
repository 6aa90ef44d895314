"""What is asked of a server over gRPC, as HTTP's JSON."""

from __future__ import annotations

from pathlib import Path

import pytest

from burnish.errors import EnvironmentProblem, UserError
from burnish.perf.client.endpoint import parse_url
from burnish.perf.client.grpc_server import GrpcServer, credentials
from burnish.perf.data.model import describe
from burnish.perf.options import Tls
from burnish.perf.server_times import difference
from tests.perf.fake_grpc_server import FakeGrpcServer, running_grpc
from tests.perf.fake_server import CONFIG, METADATA, statistics


def asking(server: FakeGrpcServer) -> GrpcServer:
    return GrpcServer(parse_url(server.url, "grpc"), {}, 5.0)


def test_answers_describe_the_same_model_as_over_http() -> None:
    with running_grpc(FakeGrpcServer()) as server:
        found = asking(server)
        assert describe(found.metadata("echo", ""), found.config("echo", "")) == describe(METADATA, CONFIG)
        assert found.identity() == {"name": "fake", "version": "1.0"}
        server.received = [None] * 8
        assert difference([], found.statistics() or [], "echo") == difference([], [statistics(8)], "echo")


def test_extensions_that_the_server_does_not_have_are_none() -> None:
    with running_grpc(FakeGrpcServer(has_extensions=False)) as server:
        found = asking(server)
        assert (found.config("echo", ""), found.statistics(), found.identity()) == (None, None, {})


def test_a_model_that_is_not_there_and_a_server_that_is_not_there_are_told_apart() -> None:
    with running_grpc(FakeGrpcServer()) as server, pytest.raises(UserError, match="E684") as caught:
        asking(server).metadata("other", "")
    assert "NOT_FOUND: no model other" in str(caught.value)
    with pytest.raises(EnvironmentProblem, match="E685"):
        GrpcServer(parse_url("127.0.0.1:9", "grpc"), {}, 5.0).metadata("echo", "")


def test_a_secured_connection_reads_its_files(tmp_path: Path) -> None:
    assert credentials(parse_url("host", "grpc")) is None
    assert credentials(parse_url("grpcs://host", "grpc")) is not None
    with pytest.raises(UserError, match="E681"):
        credentials(parse_url("grpcs://host", "grpc", Tls(str(tmp_path / "none"))))


def test_shared_memory_is_registered_and_given_back() -> None:
    with running_grpc(FakeGrpcServer()) as server:
        asking(server).register_memory("r", "/key", 64)
        assert server.registered == {"r": ("/key", 64)}
        asking(server).unregister_memory("r")
        assert server.registered == {}
        with pytest.raises(UserError, match="E686"):
            asking(server).register_memory("bad", "/key", 64)
