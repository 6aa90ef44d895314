"""A port accepts so many connections, drains without losing a request, and answers for handlers that fail."""

from __future__ import annotations

import asyncio
import json
import ssl

import pytest
import trustme

from burnish.serve.http.wire.exchange import Exchange
from burnish.serve.http.wire.limits import Limits
from burnish.serve.http.wire.listener import Listener
from tests.serve.http.fake_core import Running, read_answer, request

LIVE = request("GET", "/v2/health/live")
INFER = json.dumps({"inputs": [{"name": "IN", "datatype": "FP32", "shape": [1], "data": [1.5]}]}).encode()


def test_further_connections_than_allowed_are_refused() -> None:
    async def main():
        async with Running(Limits(connections=2)) as running:
            held = [await running.connect() for _ in range(2)]
            for reader, writer in held:
                writer.write(LIVE)
                assert (await read_answer(reader)).status == 200
            reader, third = await running.connect()
            assert (await read_answer(reader)).status == 503
            third.close()
            held[0][1].close()
            await asyncio.sleep(0.05)
            assert (await running.ask(LIVE))[0].status == 200

    asyncio.run(main())


def test_draining_ends_idle_connections_and_waits_for_requests_under_way() -> None:
    async def main():
        async with Running() as running:
            idle, _ = await running.connect()
            busy, writer = await running.connect()
            writer.write(request("POST", "/v2/models/never/infer", INFER))
            while not running.server.jobs:
                await asyncio.sleep(0.01)
            closing = asyncio.create_task(running.listener.close(5))
            assert await idle.read() == b""
            assert not closing.done()
            with pytest.raises(OSError):
                await running.connect()
            (job,) = running.server.jobs
            job.answer(list(job.request.inputs.values()))
            answer = await read_answer(busy)
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert await closing == 0

    asyncio.run(main())


def test_draining_cuts_off_what_does_not_end() -> None:
    async def main():
        async with Running() as running:
            reader, writer = await running.connect()
            writer.write(request("POST", "/v2/models/never/infer", INFER))
            while not running.server.jobs:
                await asyncio.sleep(0.01)
            assert await running.listener.close(0.05) == 1
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await reader.readexactly(1)

    asyncio.run(main())


def test_a_handler_that_raises_is_a_500_and_the_connection_goes_on() -> None:
    async def main():
        def handle(exchange: Exchange) -> None:
            raise RuntimeError("on purpose")

        listener = Listener(handle)
        port = await listener.open("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(LIVE)
            answer = await read_answer(reader)
            assert answer.status == 500
            assert b"on purpose" not in answer.body
        writer.close()
        await listener.close(1)

    asyncio.run(main())


def test_a_handler_that_raises_within_an_answer_ends_the_connection() -> None:
    async def main():
        def handle(exchange: Exchange) -> None:
            exchange.begin(200, b"text/plain")
            exchange.send(b"half")
            raise RuntimeError("on purpose")

        listener = Listener(handle)
        port = await listener.open("127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(LIVE)
        assert (await reader.read()).endswith(b"4\r\nhalf\r\n")
        writer.close()
        await listener.close(1)

    asyncio.run(main())


def test_tls_with_certificates_on_both_sides(tmp_path) -> None:
    authority, stranger = trustme.CA(), trustme.CA()
    here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(here)
    authority.configure_trust(here)
    here.verify_mode = ssl.CERT_REQUIRED

    def client(issuer: trustme.CA) -> ssl.SSLContext:
        context = ssl.create_default_context()
        authority.configure_trust(context)
        issuer.issue_cert("client@example.org").configure_cert(context)
        return context

    async def main():
        running = Running()
        port = await running.listener.open("localhost", 0, here)
        reader, writer = await asyncio.open_connection("localhost", port, ssl=client(authority))
        writer.write(LIVE)
        assert (await read_answer(reader)).status == 200
        writer.write(b"nonsense\r\n\r\n")
        assert (await read_answer(reader)).status == 400
        writer.close()
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            reader, writer = await asyncio.open_connection("localhost", port, ssl=client(stranger))
            writer.write(LIVE)
            await read_answer(reader)
        writer.close()
        await running.listener.close(1)

    asyncio.run(main())


def test_what_is_answered_in_place_leaves_the_connection_at_rest_and_what_waits_does_not() -> None:
    async def main():
        rests = []
        async with Running() as running:
            running.listener.rest = lambda: rests.append(1)
            await running.ask(LIVE)
            assert len(rests) == 1
            reader, writer = await running.connect()
            writer.write(LIVE[:20])
            await asyncio.sleep(0.02)
            writer.write(LIVE[20:] + request("POST", "/v2/models/never/infer", INFER))
            await read_answer(reader)
            while not running.server.jobs:
                await asyncio.sleep(0.01)
            assert len(rests) == 1

    asyncio.run(main())
