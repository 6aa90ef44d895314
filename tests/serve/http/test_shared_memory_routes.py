"""Shared memory over HTTP. The words were asked of a real Triton 2.51."""

from __future__ import annotations

import base64
import json
import uuid
from pathlib import Path
from typing import Any

import pytest

from burnish.serve.core.shared_memory import SharedMemory
from tests.serve.http.asking import ask, told

JSON = "application/json"
HANDLE = base64.b64encode(bytes(64)).decode()


def test_a_region_is_registered_shown_and_forgotten() -> None:
    key = f"/burnish_{uuid.uuid4().hex}"
    path = Path("/dev/shm" + key)
    path.write_bytes(bytes(96))
    shared = SharedMemory()
    try:
        answer = ask("POST", "/v2/systemsharedmemory/region/r1/register", {"key": key, "byte_size": 96}, shared=shared)
        assert (answer.status, answer.headers["content-type"], answer.body) == (200, JSON, b"")
        want = [{"name": "r1", "key": key, "offset": 0, "byte_size": 96}]
        for place in ("", "/region/r1"):
            assert json.loads(ask("GET", f"/v2/systemsharedmemory{place}/status", shared=shared).body) == want
        assert told(ask("GET", "/v2/systemsharedmemory/region/zz/status", shared=shared)) == (
            404,
            JSON,
            "Unable to find system shared memory region: 'zz'",
        )
        for place in ("/region/zz", "/region/r1", ""):
            assert ask("POST", f"/v2/systemsharedmemory{place}/unregister", shared=shared).status == 200
        assert list(shared) == []
    finally:
        path.unlink()


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("system/register", {}, 400, "'region name' is necessary to register system shared memory region"),
        ("system/r", "", 500, "failed to parse the request JSON buffer: The document is empty. at 0"),
        ("system/r", {"byte_size": 4}, 400, "Shared memory register request has no 'key' field"),
        ("system/r", {"key": "/x"}, 400, "Shared memory register request has no 'byte_size' field"),
        ("system/r", {"key": 3}, 500, "attempt to access JSON non-string as string"),
        (
            "system/r",
            {"key": "/x", "offset": -1},
            500,
            "attempt to access JSON non-unsigned-integer as unsigned-integer",
        ),
        ("cuda/register", {}, 400, "'region name' is necessary to register cuda shared memory region"),
        ("cuda/r", {}, 400, "Shared memory register request has no 'raw_handle' field"),
        ("cuda/r", {"raw_handle": "x"}, 500, "attempt to access non-existing object member 'b64'"),
        (
            "cuda/r",
            {"raw_handle": {"b64": "x"}},
            500,
            "attempt to access non-existing object member 'byte_size'",
        ),
        (
            "cuda/r",
            {"raw_handle": {"b64": "x"}, "byte_size": 1, "device_id": 0},
            400,
            "'raw_handle' must be a valid base64 encoded cudaIpcMemHandle_t",
        ),
        (
            "cuda/r",
            {"raw_handle": {"b64": HANDLE}, "byte_size": 1, "device_id": 0},
            400,
            "failed to register shared memory region: invalid args",
        ),
    ],
)
def test_a_region_that_cannot_be_registered(path: str, body: Any, status: int, message: str) -> None:
    kind, _, region = path.partition("/")
    place = region if region == "register" else f"region/{region}/register"
    answer = ask("POST", f"/v2/{kind}sharedmemory/{place}", body, shared=SharedMemory())
    assert told(answer) == (status, JSON, message)


def test_it_is_off_unless_switched_on() -> None:
    answer = ask("GET", "/v2/systemsharedmemory/status")
    assert told(answer) == (501, JSON, "system shared memory is switched off on this server")


def test_cuda_regions_are_none() -> None:
    assert ask("GET", "/v2/cudasharedmemory/status").body == b"[]"
    assert ask("POST", "/v2/cudasharedmemory/unregister").status == 200
    assert told(ask("GET", "/v2/cudasharedmemory/region/x/status")) == (
        404,
        JSON,
        "Unable to find cuda shared memory region: 'x'",
    )
