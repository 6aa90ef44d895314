"""Health, metadata, statistics and the repository. The words were asked of a real Triton 2.51."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from burnish.serve.http.management import decode_base64
from tests.serve.http.asking import ask, send, told
from tests.serve.http.fake_core import Running

JSON, TEXT = "application/json", "text/plain"


def test_health_is_a_status_without_a_body() -> None:
    for path in (
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/identity/ready",
        "/v2/models/identity/versions/01/ready",
    ):
        answer = ask("GET", path)
        assert (answer.status, answer.headers["content-type"], answer.body) == (200, TEXT, b"")
    assert told(ask("GET", "/v2/models/identity/versions/9/ready")) == (400, TEXT, "Model version not ready")


def test_a_server_that_is_not_ready_says_400() -> None:
    async def main() -> None:
        async with Running() as running:
            running.server.is_ready = False
            assert (await running.get("/v2/health/ready")).status == 400

    asyncio.run(main())


def test_metadata_and_configuration() -> None:
    assert json.loads(ask("GET", "/v2").body) == {"name": "burnish", "version": "1", "extensions": ["statistics"]}
    assert json.loads(ask("GET", "/v2/models/identity").body)["versions"] == ["1"]
    assert json.loads(ask("GET", "/v2/models/identity/config").body)["name"] == "identity"
    for path in ("/v2/models/nosuch", "/v2/models/nosuch/config"):
        assert told(ask("GET", path)) == (404, JSON, "Request for unknown model: 'nosuch' is not found")


def test_statistics_of_one_and_of_all() -> None:
    entry = {"name": "identity", "version": "1", "inference_count": 0}
    assert json.loads(ask("GET", "/v2/models/identity/stats").body) == {"model_stats": [entry]}
    names = [m["name"] for m in json.loads(ask("GET", "/v2/models/stats").body)["model_stats"]]
    assert names == sorted(names)
    assert "words" in names
    assert told(ask("GET", "/v2/models/nosuch/stats")) == (400, JSON, "requested model 'nosuch' is not available")
    assert told(ask("GET", "/v2/models/identity/versions/9/stats")) == (
        400,
        JSON,
        "requested model version is not available for model 'identity'",
    )


def test_the_index_leaves_out_what_is_not_known() -> None:
    found = json.loads(ask("POST", "/v2/repository/index").body)
    assert {"name": "identity", "version": "1", "state": "READY"} in found
    assert {"name": "asleep"} in found
    assert {"name": "asleep"} not in json.loads(ask("POST", "/v2/repository/any/index", {"ready": True}).body)
    assert told(ask("POST", "/v2/repository/index", {"ready": "yes"})) == (
        500,
        JSON,
        "attempt to access JSON non-boolean as boolean",
    )


def test_models_are_loaded_and_unloaded() -> None:
    async def main() -> list[Any]:
        async with Running() as running:
            for action, body in (
                ("load", ""),
                ("load", {"parameters": {"config": "{}", "file:1/model.py": base64.b64encode(b"x = 1").decode()}}),
                ("unload", ""),
                ("unload", "{"),
                ("unload", {"parameters": {"unload_dependents": 3}}),
                ("unload", {"parameters": {"unload_dependents": True}}),
            ):
                answer = await send(running, "POST", f"/v2/repository/models/m/{action}", body)
                assert (answer.status, answer.headers["content-type"], answer.body) == (200, JSON, b"")
            return running.server.repository.calls

    assert asyncio.run(main()) == [
        ("load", "m", {}),
        ("load", "m", {"config": "{}", "file:1/model.py": b"x = 1"}),
        ("unload", "m", False),
        ("unload", "m", False),
        ("unload", "m", False),
        ("unload", "m", True),
    ]


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/v2/repository/x/models/m/load", "", 501, "'repository_name' specification is not supported"),
        ("/v2/repository/x/models/m/unload", "", 501, "'repository_name' specification is not supported"),
        (
            "/v2/repository/models/broken/load",
            "",
            500,
            "failed to load 'broken', failed to poll from model repository",
        ),
        ("/v2/repository/models/m/load", {"parameters": []}, 500, "attempt to get members for non-object"),
        (
            "/v2/repository/models/m/load",
            {"parameters": {"config": {}}},
            500,
            "attempt to access JSON non-string as string",
        ),
        (
            "/v2/repository/models/m/load",
            {"parameters": {"model.py": "x"}},
            500,
            "unexpected error on creating Triton parameter",
        ),
    ],
)
def test_what_cannot_be_loaded_is_told(path: str, body: Any, status: int, message: str) -> None:
    assert told(ask("POST", path, body)) == (status, JSON, message)


@pytest.mark.parametrize(
    ("text", "data"),
    [("eCA9IDEK", b"x = 1\n"), ("eCA 9ID\nEK", b"x = 1\n"), ("!!", b""), ("eA", b"x"), ("eCA9I", b"x =")],
)
def test_base64_passes_over_what_is_none(text: str, data: bytes) -> None:
    assert decode_base64(text) == data
