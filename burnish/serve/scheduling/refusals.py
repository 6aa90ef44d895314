"""The errors of a request that is not run, in Triton's words."""

from __future__ import annotations

from burnish.serve.status import Code, ServeError


def queue_full(request_id: str) -> ServeError:
    return ServeError(Code.UNAVAILABLE, "Exceeds maximum queue size").of_request(request_id)


def timeout_expired() -> ServeError:
    return ServeError(Code.UNAVAILABLE, "Request timeout expired")


def stopping(request_id: str) -> ServeError:
    message = "Server is stopping, scheduler for model has stopped accepting new inference requests"
    return ServeError(Code.UNAVAILABLE, message).of_request(request_id)


def sequence_timeout() -> ServeError:
    return ServeError(Code.UNAVAILABLE, "timeout of the corresponding sequence has been expired")
