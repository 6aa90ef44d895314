"""What goes on after a route has returned still ends in an answer."""

from __future__ import annotations

import asyncio
import json

import pytest

from burnish.serve.http.background import run_later
from burnish.serve.http.wire.exchange import Exchange
from burnish.serve.status import Code, ServeError
from tests.serve.http.wire.test_exchange import FakeCarrier


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ServeError(Code.NOT_FOUND, "no such thing"), 404, "no such thing"),
        (RuntimeError("on purpose"), 500, "internal error; the server's log has more"),
    ],
)
def test_an_error_is_an_answer(error: Exception, status: int, message: str) -> None:
    carrier = FakeCarrier()

    async def work() -> None:
        await asyncio.sleep(0)
        raise error

    async def main() -> None:
        run_later(Exchange(carrier, b"GET", b"/", {}), work())
        while not carrier.finished:
            await asyncio.sleep(0)

    asyncio.run(main())
    assert carrier.written.startswith(b"HTTP/1.1 %d " % status)
    assert json.loads(carrier.written.partition(b"\r\n\r\n")[2]) == {"error": message}
