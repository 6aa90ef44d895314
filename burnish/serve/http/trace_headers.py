"""W3C's trace context: which trace of the client's a request is part of."""

from __future__ import annotations

from collections.abc import Mapping

from burnish.serve.request import Request


def read_trace_headers(headers: Mapping[bytes, bytes], request: Request) -> None:
    parent = headers.get(b"traceparent")
    if parent is not None:
        request.traceparent = parent.decode("latin-1")
        request.tracestate = headers.get(b"tracestate", b"").decode("latin-1")
