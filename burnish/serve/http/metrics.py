"""The metrics port: one page for Prometheus."""

from __future__ import annotations

from collections.abc import Callable

from burnish.serve.http.wire.exchange import TEXT, Exchange

_KIND = b"text/plain; charset=utf-8"


class MetricsPage:
    """text: what to show, made anew for each request. Other paths are empty, as Triton's are."""

    def __init__(self, text: Callable[[], bytes]) -> None:
        self._text = text

    def handle(self, exchange: Exchange) -> None:
        if exchange.method != b"GET":
            exchange.fail(405, "Method Not Allowed", TEXT)
        elif exchange.path in (b"/metrics", b"/metrics/"):
            exchange.answer(200, _KIND, self._text())
        else:
            exchange.answer(200, _KIND)
