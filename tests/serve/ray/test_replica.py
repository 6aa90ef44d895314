"""A replica without Ray: it is an ordinary object in an event loop."""

import asyncio
import json

import pytest

from burnish.serve.app.options import ServeOptions
from burnish.serve.core.server import ServerOptions
from burnish.serve.ray.replica import Replica
from tests.serve.app.test_run import CONFIG, MODEL

ASK = {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1], "data": [2.0]}]}


def with_replica(folder, work, **options):
    async def main():
        replica = Replica.__new__(Replica)
        await replica.__init__(ServeOptions(ServerOptions((folder,), **options)))
        try:
            return await work(replica)
        finally:
            await replica._parts.server.stop(5)

    return asyncio.run(main())


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "model.py").write_text(MODEL)
    (tmp_path / "m" / "config.pbtxt").write_text(CONFIG)
    return tmp_path


def test_a_request_is_answered_as_over_http(repository):
    async def work(replica):
        replica.check_health()
        infer = await replica.answer(b"POST", b"/v2/models/m/infer", {}, json.dumps(ASK).encode())
        return infer, await replica.answer(b"GET", b"/v2/nothing", {}, b"")

    (status, headers, body), unknown = with_replica(repository, work)
    assert (status, json.loads(body)["outputs"][0]["data"]) == (200, [3.0])
    assert dict(headers)[b"Content-Type"] == b"application/json"
    assert unknown[0] == 404


def test_a_stream_comes_in_pieces(repository):
    async def work(replica):
        body = json.dumps({"X": [2.0]}).encode()
        return [p async for p in replica.stream(b"POST", b"/v2/models/m/generate_stream", {}, body)]

    (status, headers), *pieces = with_replica(repository, work)
    assert (status, dict(headers)[b"Content-Type"][:17]) == (200, b"text/event-stream")
    assert json.loads(b"".join(pieces).removeprefix(b"data: "))["Y"] == 3.0


def test_a_request_that_nobody_waits_for_is_cancelled(repository):
    async def work(replica):
        asked = json.dumps({"inputs": [{**ASK["inputs"][0], "data": [300.0]}]}).encode()
        first, second = (
            asyncio.ensure_future(replica.answer(b"POST", b"/v2/models/m/infer", {}, asked)) for _ in range(2)
        )
        await asyncio.sleep(0.1)
        second.cancel()
        assert (await first)[0] == 200
        await asyncio.sleep(0.4)
        statistics = await replica.answer(b"GET", b"/v2/models/m/stats", {}, b"")
        return json.loads(statistics[2])["model_stats"][0]["execution_count"]

    assert with_replica(repository, work) == 1


def test_a_replica_does_not_start_with_a_broken_model_unless_it_may(repository):
    (repository / "m" / "1" / "model.py").write_text("import nothing_of_this_name")

    async def work(replica):
        return (await replica.answer(b"GET", b"/v2/health/ready", {}, b""))[0]

    with pytest.raises(RuntimeError, match="nothing_of_this_name"):
        with_replica(repository, work)
    assert with_replica(repository, work, exit_on_error=False) == 400
