"""What one client may ask of the transport."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """message_bytes       the longest message, also once decompressed
    buffered_bytes      messages of all clients together that came in part, or that a stream's handler has not taken
    header_bytes        a call's headers, decoded, as HTTP/2 counts them (32 bytes more for each)
    frame_bytes         one HTTP/2 frame; a longer message comes in several
    streams             calls under way on one connection
    stream_window       bytes that a client may send of one call before we say that we took them
    connection_window   the same over all calls of a connection
    unsent_bytes        answers of one stream that its client has not taken; with more, the call fails
    write_bytes         answers that the kernel has not taken yet; above it, we read no more from that client
    resets              cancelled calls and other empty frames that a client may send at once
    resets_per_s        and how many it may send on from then
    stall_s             a message of which nothing more comes, or an answer of which nothing more is taken
    slowest_bytes_s     a message may take stall_s and the time that it takes at this rate
    handshake_s         HTTP/2's first frame must be here so many seconds after the connection
    keepalive_s         silence after which we ask whether the client is still there
    keepalive_answer_s  and how long it may take to say so
    check_s             how often the last six are looked at
    connections         at once, of all clients; further ones are closed
    """

    message_bytes: int = 1 << 30
    buffered_bytes: int = 2 << 30
    header_bytes: int = 16 << 10
    frame_bytes: int = 128 << 10
    streams: int = 1024
    stream_window: int = 4 * MIB
    connection_window: int = 32 * MIB
    unsent_bytes: int = 256 * MIB
    write_bytes: int = MIB
    resets: int = 2000
    resets_per_s: int = 500
    stall_s: float = 30
    slowest_bytes_s: int = 1 << 10
    handshake_s: float = 20
    keepalive_s: float = 7200
    keepalive_answer_s: float = 20
    check_s: float = 1
    connections: int = 10_000
