"""What a client may cost the server: the same on every port, whatever protocol it speaks."""

from __future__ import annotations

from burnish.serve.app.options import ServeOptions
from burnish.serve.grpc.transport.limits import Limits as GrpcLimits
from burnish.serve.http.wire.limits import Limits as HttpLimits


def http_limits(options: ServeOptions) -> HttpLimits:
    body = options.body_bytes
    held = max(HttpLimits().held_bytes, 2 * body)  # or a body that is allowed would not fit
    return HttpLimits(body_bytes=body, decompressed_bytes=body, held_bytes=held)


def grpc_limits(options: ServeOptions) -> GrpcLimits:
    """A message is what HTTP calls a body. How long a client may take is what HTTP allows."""
    http = http_limits(options)
    return GrpcLimits(
        message_bytes=options.message_bytes or http.body_bytes,
        buffered_bytes=max(http.held_bytes, 2 * options.message_bytes),
        stall_s=http.stall_s,
        slowest_bytes_s=http.slowest_bytes_s,
    )
