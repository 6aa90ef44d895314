import asyncio

from burnish.serve.http.wire.exchange import JSON
from burnish.serve.ray.exchange import RemoteExchange


def within_a_loop(work):
    async def main():
        exchange = RemoteExchange(b"POST", b"/x", {}, b"body")
        return await work(exchange)

    return asyncio.run(main())


async def pieces_of(exchange):
    found = []
    while (piece := await exchange.pieces.get()) is not None:
        found.append(piece)
    return found


def test_an_answer_is_a_head_and_one_piece():
    async def work(exchange):
        exchange.answer_json({"a": 1}, 201)
        exchange.answer(500)  # the second answer is dropped
        return exchange.body, exchange.is_answered, await exchange.head, await pieces_of(exchange)

    assert within_a_loop(work) == (b"body", True, (201, ((b"Content-Type", JSON),)), [b'{"a":1}'])


def test_a_stream_is_a_head_and_its_pieces():
    async def work(exchange):
        exchange.begin(200, b"text/event-stream")
        exchange.send(b"one")
        exchange.send(b"")
        exchange.send(b"two")
        exchange.end()
        return await exchange.head, await pieces_of(exchange)

    head, pieces = within_a_loop(work)
    assert head == (200, ((b"Content-Type", b"text/event-stream"), (b"Cache-Control", b"no-cache")))
    assert pieces == [b"one", b"two"]


def test_a_stream_that_cannot_be_completed_ends():
    async def work(exchange):
        exchange.begin(200, b"text/event-stream")
        exchange.abort()
        return await pieces_of(exchange)

    assert within_a_loop(work) == []


def test_who_leaves_is_told_to_the_route_once():
    async def work(exchange):
        told = []
        exchange.on_gone = lambda: told.append(exchange.is_gone)
        exchange.leave()
        exchange.leave()
        exchange.head.cancel()
        exchange.answer(200)  # comes too late and harms nobody
        return told

    assert within_a_loop(work) == [True]
