"""What a job says of connections and requests."""

from __future__ import annotations

import asyncio
import pickle

from burnish.perf.client.endpoint import parse_url
from burnish.perf.client.http_connection import HttpConnection
from burnish.perf.client.http_request import HttpRequest
from burnish.perf.load.job import Job, connector, message_source
from burnish.perf.options import Sequences
from tests.perf.fake_server import FakeServer, running

REQUEST = HttpRequest(b"POST /v2/models/echo/infer HTTP/1.1\r\n", {"inputs": []}, b"", {})


def made(url: str, sequences: Sequences | None = None) -> Job:
    return Job(parse_url(url, "http"), ((REQUEST,),), sequences, 5.0, False, {})


def test_a_job_travels_to_another_process() -> None:
    job = made("localhost:8000", Sequences())
    assert pickle.loads(pickle.dumps(job)) == job


def test_slots_share_steps_but_each_has_sequences_of_its_own() -> None:
    plain = message_source(made("localhost"))
    assert plain() is plain()
    slots = message_source(made("localhost", Sequences(length=3, variation=0)))
    first, second = slots(), slots()
    assert b'"sequence_id":1,' in first.next() and b'"sequence_id":2,' in second.next()


def test_connections_go_to_the_jobs_address() -> None:
    async def main(url: str) -> str:
        connection = await connector(made(url))()
        assert isinstance(connection, HttpConnection)
        problem = await connection.send(REQUEST.render({}))
        connection.close()
        return problem

    with running(FakeServer()) as server:
        assert asyncio.run(main(server.url)) == ""
        assert server.received[0].path == "/v2/models/echo/infer"
