"""What a client may cost the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """header_bytes        of one request: its line and its headers
    body_bytes          of one request, as it comes
    held_bytes          of all requests that are under way or arriving; further ones are refused with 503
    decompressed_bytes  of one request whose body is gzip or deflate
    unsent_bytes        answers that a client of a stream has not read yet
    idle_s              a connection without a request is closed after this time
    stall_s             a request of which nothing more comes, or an answer of which nothing more is read
    slowest_bytes_s     a body may take stall_s and the time that it takes at this rate
    header_s            from a request's first byte to the end of its headers
    connections         at once; further ones are refused with 503
    pipelined           requests of one connection that wait for the answer to an earlier one
    """

    header_bytes: int = 64 << 10
    body_bytes: int = 1 << 30
    held_bytes: int = 4 << 30
    decompressed_bytes: int = 1 << 30
    unsent_bytes: int = 64 << 20
    idle_s: float = 120.0
    stall_s: float = 30.0
    slowest_bytes_s: int = 1 << 10
    header_s: float = 20.0
    connections: int = 10_000
    pipelined: int = 32
