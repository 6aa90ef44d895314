"""The client that fits the protocol, and requests of every kind."""

from __future__ import annotations

import sys

import pytest

from burnish.errors import EnvironmentProblem
from burnish.perf.client.grpc_request import GrpcRequest
from burnish.perf.client.grpc_server import GrpcServer
from burnish.perf.client.http_request import HttpRequest
from burnish.perf.client.http_server import HttpServer
from burnish.perf.client.protocols import open_server, prepared
from burnish.perf.options import Options
from tests.perf.client.test_http_request import STEP
from tests.perf.made_report import MODEL


def test_each_protocol_has_its_client_and_its_requests() -> None:
    for options, client, request in (
        (Options("echo"), HttpServer, HttpRequest),
        (Options("echo", protocol="grpc"), GrpcServer, GrpcRequest),
    ):
        server = open_server(options)
        assert isinstance(server, client)
        with prepared(server, MODEL, [(STEP, STEP), (STEP,)], options) as requests:
            assert [len(stream) for stream in requests] == [2, 1] and isinstance(requests[0][0], request)


def test_a_stream_over_http_is_generate_stream() -> None:
    options = Options("echo", streaming=True)
    with prepared(open_server(options), MODEL, [(STEP,)], options) as requests:
        assert b"generate_stream" in requests[0][0].render({})


@pytest.mark.parametrize(("protocol", "package"), [("http", "httptools"), ("grpc", "grpc")])
def test_a_missing_package_is_named(protocol: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(EnvironmentProblem, match="E689") as caught:
        open_server(Options("echo", protocol=protocol))  # type: ignore[arg-type]
    assert "burnish[serve]" in str(caught.value) and f"'{package}'" in str(caught.value)
