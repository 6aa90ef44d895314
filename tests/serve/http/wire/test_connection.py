"""What comes over a connection is answered in order, or refused and the connection ended; nothing stays half open."""

from __future__ import annotations

import asyncio
import json
import random
import socket

import pytest

from burnish.serve.http.wire.limits import Limits
from tests.serve.http.fake_core import Running, read_answer, request

INFER = json.dumps({"inputs": [{"name": "IN", "datatype": "FP32", "shape": [1], "data": [1.5]}]}).encode()
LIVE = request("GET", "/v2/health/live")


def run(work, limits: Limits | None = None):
    async def main():
        async with Running(limits) as running:
            return await asyncio.wait_for(work(running), 20)

    return asyncio.run(main())


def test_pipelined_requests_are_answered_in_their_order() -> None:
    asked = b"".join(request("GET", f"/v2/models/{name}") for name in ("identity", "nosuch", "words")) * 5
    answers = run(lambda r: r.ask(asked, 15))
    assert [a.status for a in answers] == [200, 404, 200] * 5
    assert json.loads(answers[3].body)["name"] == "identity"


def test_an_answer_that_comes_late_holds_back_those_after_it() -> None:
    async def work(running: Running):
        reader, writer = await running.connect()
        writer.write(request("POST", "/v2/models/never/infer", INFER) + LIVE)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.2)
        running.server.jobs[0].answer(list(running.server.jobs[0].request.inputs.values()))
        return [await read_answer(reader), await read_answer(reader)]

    answers = run(work)
    assert [len(a.body) > 0 for a in answers] == [True, False]


def test_a_request_may_come_byte_by_byte() -> None:
    async def work(running: Running):
        reader, writer = await running.connect()
        for byte in request("POST", "/v2/models/identity/infer", INFER):
            writer.write(bytes([byte]))
            await writer.drain()
        return await read_answer(reader)

    assert json.loads(run(work).body)["outputs"][0]["data"] == [1.5]


def test_a_chunked_body_is_put_together() -> None:
    head = b"POST /v2/models/identity/infer HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(INFER[i : i + 7]), INFER[i : i + 7]) for i in range(0, len(INFER), 7))
    (answer,) = run(lambda r: r.ask(head + chunks + b"0\r\n\r\n"))
    assert json.loads(answer.body)["outputs"][0]["data"] == [1.5]


def test_a_client_that_expects_100_is_told_to_go_on() -> None:
    async def work(running: Running):
        reader, writer = await running.connect()
        head, _, body = request("POST", "/v2/models/identity/infer", INFER, "Expect: 100-continue").partition(
            b"\r\n\r\n"
        )
        writer.write(head + b"\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(body)
        return await read_answer(reader)

    assert run(work).status == 200


def test_an_offer_of_another_protocol_is_passed_over() -> None:
    asked = request("GET", "/v2", b"", "Connection: Upgrade", "Upgrade: h2c") + LIVE
    assert [a.status for a in run(lambda r: r.ask(asked, 2))] == [200, 200]


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (request("GET", "/v2", b"", "X: " + "y" * 3000), 431),
        (b"GET /" + b"x" * 10_000, 431),
        (request("POST", "/v2", b"x" * 5000), 413),
        (b"POST /v2 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n" + b"x" * 4096 + b"\r\n0\r\n\r\n", 413),
        (request("POST", "/v2", b"", "Expect: wonders"), 417),
    ],
)
def test_what_is_too_large_or_malformed_is_refused_and_the_connection_ends(asked: bytes, status: int) -> None:
    async def work(running: Running):
        reader, writer = await running.connect()
        writer.write(asked)
        answer = await read_answer(reader)
        assert await reader.read() == b""
        return answer

    answer = run(work, Limits(header_bytes=2048, body_bytes=2048))
    assert answer.status == status
    assert answer.headers["connection"] == "close"
    assert json.loads(answer.body)["error"]


def test_a_refusal_comes_after_the_answers_before_it() -> None:
    answers = run(lambda r: r.ask(LIVE + b"nonsense\r\n\r\n", 2))
    assert [a.status for a in answers] == [200, 400]


@pytest.mark.parametrize(
    ("sent", "status"),
    [(b"", None), (b"GET /v2 HT", 408), (b"POST /v2 HTTP/1.1\r\nContent-Length: 9\r\n\r\nx", 408)],
)
def test_a_client_that_sends_nothing_more_is_let_go(sent: bytes, status: int | None) -> None:
    async def work(running: Running):
        reader, writer = await running.connect()
        writer.write(sent)
        if status is not None:
            assert (await read_answer(reader)).status == status
        assert await reader.read() == b""

    run(work, Limits(idle_s=0.1, stall_s=0.1, header_s=0.1))


def test_a_client_that_leaves_cancels_its_request() -> None:
    async def work(running: Running):
        _, writer = await running.connect()
        writer.write(request("POST", "/v2/models/never/infer", INFER))
        while not running.server.jobs:
            await asyncio.sleep(0.01)
        (job,) = running.server.jobs
        assert not job.is_cancelled
        writer.close()
        while not job.is_cancelled:
            await asyncio.sleep(0.01)
        job.answer([])  # too late, and harmless

    run(work)


def test_a_client_that_does_not_read_a_stream_cannot_fill_the_memory() -> None:
    async def work(running: Running):
        reader, writer = await running.connect()
        writer.write(request("POST", "/v2/models/repeat/generate_stream", b'{"COUNT": 100000}'))
        try:
            return await reader.read()
        except ConnectionError:
            return b""

    assert not run(work, Limits(unsent_bytes=1 << 16)).endswith(b"0\r\n\r\n")


def test_http_1_0_gets_its_answer_and_the_connection_ends() -> None:
    async def work(running: Running):
        reader, writer = await running.connect()
        writer.write(b"GET /v2/health/live HTTP/1.0\r\n\r\n")
        return await reader.read()

    assert b"Connection: close\r\n" in run(work)


def test_no_bytes_make_the_server_fail() -> None:
    good = request("POST", "/v2/models/identity/infer", INFER, "Accept-Encoding: gzip") + LIVE
    chance = random.Random(7)

    async def work(running: Running):
        for _ in range(150):
            raw = bytearray(good)
            for _ in range(chance.randrange(1, 6)):
                raw[chance.randrange(len(raw))] = chance.randrange(256)
            reader, writer = await running.connect()
            writer.write(bytes(raw[: chance.randrange(1, len(raw) + 1)]))
            writer.write_eof()
            await reader.read()
            writer.close()
        return await running.ask(LIVE)

    assert run(work)[0].status == 200


def test_a_body_that_trickles_in_is_let_go() -> None:
    async def work(running: Running):
        reader, writer = await running.connect()
        writer.write(b"POST /v2 HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")

        async def trickle() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.05)

        task = asyncio.create_task(trickle())
        answer = await read_answer(reader)
        task.cancel()
        return answer

    assert run(work, Limits(stall_s=0.3, slowest_bytes_s=1 << 20)).status == 408


@pytest.mark.parametrize(("first_s", "each_s", "is_whole"), [(0, 0.015, True), (1.6, 0, False)])
def test_a_client_may_read_slowly_but_not_stop(first_s: float, each_s: float, is_whole: bool) -> None:
    body = bytes(8 << 20)

    async def work(running: Running) -> int:
        sock, loop, got = await slow_socket(running.port), asyncio.get_running_loop(), 0
        asked = request("POST", "/v2/models/bytes/infer", body, "Inference-Header-Content-Length: 0")
        await loop.sock_sendall(sock, asked)
        await asyncio.sleep(first_s)
        try:
            while got < len(body) and (data := await loop.sock_recv(sock, 1 << 20)):
                got += len(data)
                await asyncio.sleep(each_s)
        except ConnectionError:
            pass
        sock.close()
        return got

    assert (run(work, Limits(stall_s=0.5)) >= len(body)) == is_whole


async def slow_socket(port: int) -> socket.socket:
    """A connection whose system keeps little of what the client has not read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return sock


def test_bodies_are_limited_together_and_counted_until_they_are_answered() -> None:
    async def work(running: Running):
        writers = []
        for _ in range(2):
            _, writer = await running.connect()
            writer.write(request("POST", "/v2/models/never/infer", INFER))
            writers.append(writer)
        while len(running.server.jobs) < 2:
            await asyncio.sleep(0.01)
        assert running.listener.held_bytes == 2 * len(INFER)
        refused = await running.post("/v2/models/identity/infer", INFER)
        writers[0].close()
        job = running.server.jobs[1]
        job.answer(list(job.request.inputs.values()))
        while running.listener.held_bytes:
            await asyncio.sleep(0.01)
        return [refused.status, (await running.post("/v2/models/identity/infer", INFER)).status]

    assert run(work, Limits(held_bytes=2 * len(INFER) + 10)) == [503, 200]
