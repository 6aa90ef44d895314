"""The gate with replicas that are lost at will."""

import asyncio
import json

import pytest

pytest.importorskip("ray.serve", reason="the gate stands behind Ray Serve's proxies: pip install 'burnish[ray]'")
from ray.exceptions import RayActorError
from ray.serve.exceptions import BackPressureError
from starlette.requests import Request

from burnish.serve.ray import gate as module
from burnish.serve.ray.gate import ATTEMPTS, REFUSAL, Gate

OK = (200, ((b"Content-Type", b"application/json"), (b"X-Own", b"1")), b"{}")


class Replicas:
    """lost: how many calls fail first. error: what then fails."""

    def __init__(self, lost=0, error=None):
        self.lost, self.error, self.asked = lost, error, []
        self.answer = self.stream = self

    def options(self, stream):
        assert stream
        self.is_stream = True
        return self

    is_stream = False

    def remote(self, *asked):
        self.asked.append(asked)
        is_lost = len(self.asked) <= self.lost
        return self._pieces(is_lost) if self.is_stream else self._whole(is_lost)

    async def _whole(self, is_lost):
        if is_lost:
            raise RayActorError()
        if self.error is not None:
            raise self.error
        return OK

    async def _pieces(self, is_lost):
        if is_lost:
            raise RayActorError()
        yield OK[:2]
        yield b"data: 1\n\n"
        yield b"data: 2\n\n"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(module, "_PAUSE_S", 0)


def ask(replicas, path="/v2/models/m/infer", method="POST", body=b"asked"):
    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def main():
        scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b""}
        scope["headers"] = [(b"content-type", b"text/plain")]
        response = await Gate(replicas)(Request(scope, receive))
        if hasattr(response, "body_iterator"):
            return response, b"".join([piece async for piece in response.body_iterator])
        return response, response.body

    return asyncio.run(main())


def test_status_headers_and_body_are_the_replicas():
    replicas = Replicas()
    response, body = ask(replicas)
    assert (response.status_code, body, response.headers["x-own"]) == (200, b"{}", "1")
    assert replicas.asked == [(b"POST", b"/v2/models/m/infer", {b"content-type": b"text/plain"}, b"asked")]


@pytest.mark.parametrize("path", ["/v2/models/m/infer", "/v2/models/m/generate_stream"])
def test_a_request_whose_replica_is_lost_is_asked_again(path):
    replicas = Replicas(lost=ATTEMPTS - 1)
    response, body = ask(replicas, path)
    assert response.status_code == 200
    assert body == (b"{}" if path.endswith("infer") else b"data: 1\n\ndata: 2\n\n")
    assert len(replicas.asked) == ATTEMPTS


@pytest.mark.parametrize("path", ["/v2/models/m/infer", "/v2/models/m/generate_stream"])
def test_with_every_replica_lost_it_is_503(path):
    response, body = ask(Replicas(lost=ATTEMPTS), path)
    assert response.status_code == 503
    assert json.loads(body)["error"] == "no replica answers; try again"


def test_a_full_queue_is_503():
    assert ask(Replicas(error=BackPressureError(num_queued_requests=1, max_queued_requests=1)))[0].status_code == 503


@pytest.mark.parametrize(
    "path",
    [
        "/v2/repository/models/m/load",
        "/v2/repository/r/models/m/unload",
        "/v2/logging",
        "/v2/trace/setting",
        "/v2/models/m/trace/setting",
    ],
)
def test_what_would_reach_one_replica_alone_is_refused(path):
    replicas = Replicas()
    response, body = ask(replicas, path)
    assert (response.status_code, json.loads(body)["error"]) == (400, REFUSAL)
    assert replicas.asked == []
    if "repository" not in path:
        assert ask(replicas, path, "GET")[0].status_code == 200
