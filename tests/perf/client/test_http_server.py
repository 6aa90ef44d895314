"""What is asked of a server over HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest

from burnish.errors import EnvironmentProblem, UserError
from burnish.perf.client.endpoint import parse_url
from burnish.perf.client.http_server import HttpServer
from tests.perf.fake_server import CONFIG, METADATA, FakeServer, running


def asking(server: FakeServer) -> HttpServer:
    return HttpServer(parse_url(server.url, "http"), {}, 5.0)


def test_metadata_config_identity_and_statistics_come_as_json() -> None:
    with running(FakeServer()) as server:
        found = asking(server)
        assert found.identity() == {"name": "fake", "version": "1.0"}
        assert found.metadata("echo", "") == METADATA == found.metadata("echo", "1")
        assert found.config("echo", "") == CONFIG
        assert [row["name"] for row in found.statistics() or []] == ["echo"]


def test_extensions_that_the_server_does_not_have_are_none() -> None:
    with running(FakeServer(config=None, has_statistics=False)) as server:
        assert asking(server).config("echo", "") is None
        assert asking(server).statistics() is None


def test_a_model_that_is_not_there_is_named_with_the_servers_words() -> None:
    with running(FakeServer()) as server, pytest.raises(UserError, match="E684") as caught:
        asking(server).metadata("other", "")
    assert "404: nothing at /v2/models/other" in str(caught.value)


def test_nobody_at_the_address_is_the_machines_problem() -> None:
    with pytest.raises(EnvironmentProblem, match="E685"):
        HttpServer(parse_url("127.0.0.1:9", "http"), {}, 5.0).metadata("echo", "")


def test_a_server_without_shared_memory_is_told_from_one_with_it() -> None:
    with running(FakeServer()) as server:
        asking(server).register_memory("r", "/key", 64)
        assert server.registered == {"r": {"key": "/key", "offset": 0, "byte_size": 64}}
        asking(server).unregister_memory("r")
        assert server.unregistered == ["r"]
        with pytest.raises(UserError, match="E686"):
            HttpServer(replace(asking(server).endpoint, path="/none"), {}, 5.0).register_memory("r", "/key", 64)
