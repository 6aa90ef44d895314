"""The metrics port, as Triton's answers."""

from __future__ import annotations

import pytest

from burnish.serve.http.metrics import MetricsPage
from burnish.serve.http.wire.exchange import Exchange
from tests.serve.http.wire.test_exchange import FakeCarrier


@pytest.mark.parametrize(
    ("method", "path", "status", "kind", "body"),
    [
        (b"GET", b"/metrics", b"200", b"text/plain; charset=utf-8", b"up 1\n"),
        (b"GET", b"/metrics/", b"200", b"text/plain; charset=utf-8", b"up 1\n"),
        (b"GET", b"/other", b"200", b"text/plain; charset=utf-8", b""),
        (b"POST", b"/metrics", b"405", b"text/plain", b'{"error":"Method Not Allowed"}'),
    ],
)
def test_one_page(method: bytes, path: bytes, status: bytes, kind: bytes, body: bytes) -> None:
    carrier = FakeCarrier()
    MetricsPage(lambda: b"up 1\n").handle(Exchange(carrier, method, path, {}))
    head, _, got = carrier.written.partition(b"\r\n\r\n")
    assert head.split()[1] == status
    assert b"Content-Type: %b\r\n" % kind in head + b"\r\n"
    assert got == body
