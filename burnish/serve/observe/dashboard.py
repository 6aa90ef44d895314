"""The page at `/` and its events: what the server does now, for people. One file of HTML, nothing from elsewhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import orjson

from burnish.serve.observe.live import Live
from burnish.serve.observe.machine import Machine
from burnish.serve.observe.watched import Server, Shadow

_PAGE = Path(__file__).with_name("page.html")
_EVENTS = b"text/event-stream; charset=utf-8"
_HTML = b"text/html; charset=utf-8"
_JSON = b"application/json"
_HEADERS = (
    (b"Content-Security-Policy", b"frame-ancestors 'none'"),  # the rest of the policy stands in the page
    (b"Cache-Control", b"no-cache"),
    (b"X-Content-Type-Options", b"nosniff"),
)
_PERIOD_S = 1.0
_LINGER_S = 600.0  # looks go on so long after the last reader has left, so that who comes back sees what was
_MOST_READERS = 64


class Exchange(Protocol):
    """A request over HTTP, as the page needs it."""

    on_gone: Callable[[], None] | None

    def answer(self, status: int, kind: bytes, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> None: ...

    def begin(self, status: int, kind: bytes) -> None: ...

    def send(self, data: bytes) -> None: ...

    def end(self) -> None: ...


class Dashboard:
    """Lives on the event loop's thread. Without readers it does nothing and costs nothing.

    machine: None for the one under this process
    shadows: what each model's shadow traffic has shown
    """

    def __init__(
        self,
        server: Server,
        machine: Machine | None = None,
        shadows: Callable[[], Mapping[str, Shadow]] = dict,
    ) -> None:
        self._server, self._shadows = server, shadows
        self._live = Live(server, machine or Machine())
        self._readers: set[Exchange] = set()
        self._alarm: asyncio.TimerHandle | None = None
        self._last_reader_s = 0.0
        self._started_s = time.time()
        self._page = b""

    def pages(self) -> Mapping[str, Callable[[Any], None]]:
        """By path; each answers a GET."""
        return {"/": self.page, "/events": self.events, "/shadow": self.shadow}

    def page(self, exchange: Exchange) -> None:
        self._page = self._page or _PAGE.read_bytes()
        exchange.answer(200, _HTML, self._page, _HEADERS)

    def events(self, exchange: Exchange) -> None:
        if len(self._readers) >= _MOST_READERS:
            exchange.answer(503, b"text/plain", b"too many pages are open\n", ())
            return
        if self._alarm is None:
            self._live.look()
            self._alarm = asyncio.get_running_loop().call_later(_PERIOD_S, self._look)
        exchange.begin(200, _EVENTS)
        exchange.on_gone = lambda: self._readers.discard(exchange)
        self._readers.add(exchange)
        self._last_reader_s = time.monotonic()
        exchange.send(b"retry: 2000\n\n" + event("hello", self._hello()))

    def shadow(self, exchange: Exchange) -> None:
        """The report of all shadow traffic so far. A difference that is not finite is null."""
        found = {name: shadow.as_json() for name, shadow in sorted(self._shadows().items())}
        exchange.answer(200, _JSON, orjson.dumps(found), ())

    def close(self) -> None:
        """End the streams, so that a server that stops does not wait for them."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        readers, self._readers = self._readers, set()
        for exchange in readers:
            exchange.end()

    def _hello(self) -> dict[str, Any]:
        return {
            "name": self._server.name,
            "version": self._server.version,
            "started": self._started_s,
            "totals": list(self._live.history),
            "rows": list(self._live.rows.values()),
            "history": self._live.row_history(),
        }

    def _look(self) -> None:
        now_s = time.monotonic()
        if self._readers:
            self._last_reader_s = now_s
        elif now_s - self._last_reader_s > _LINGER_S:
            self._alarm = None
            return
        self._alarm = asyncio.get_running_loop().call_later(_PERIOD_S, self._look)
        total, rows, gone = self._live.look()
        if self._readers:
            data = event("tick", {"total": total, "rows": rows, "gone": gone})
            for exchange in list(self._readers):
                exchange.send(data)


def event(name: str, value: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), orjson.dumps(value))
