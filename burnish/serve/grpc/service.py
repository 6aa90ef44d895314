"""Triton's gRPC service and the standard health check, as methods of the transport's."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from google.protobuf.message import DecodeError

from burnish.serve.core.forward_headers import Forward
from burnish.serve.core.server import Server
from burnish.serve.core.shared_memory import SharedMemory
from burnish.serve.grpc.health import Health
from burnish.serve.grpc.infer import Inference, status_of
from burnish.serve.grpc.manage import Management
from burnish.serve.grpc.settings import Settings
from burnish.serve.grpc.transport.call import Answer, Call, Method, Streaming, Unary
from burnish.serve.grpc.transport.header_blocks import Metadata
from burnish.serve.grpc.transport.status import GrpcError, Status
from burnish.serve.observe.log_settings import LogSettings
from burnish.serve.observe.trace_settings import TraceSettings
from burnish.serve.proto.service import health_methods, inference_methods
from burnish.serve.status import ServeError

# The areas of Triton's restricted protocols, by method; what is not here is the server's or a model's metadata.
_AREAS = {
    "ServerLive": "health", "ServerReady": "health", "ModelReady": "health", "Check": "health", "Watch": "health",
    "ModelInfer": "inference", "ModelStreamInfer": "inference", "ModelConfig": "model-config",
    "ModelStatistics": "statistics", "TraceSetting": "trace", "LogSettings": "logging",
}  # fmt: skip
# (area, the call's metadata) -> the error of a client that may not go there.
Guard = Callable[[str, Metadata], ServeError | None]


def methods(
    server: Server,
    *,
    shared: SharedMemory | None = None,
    traces: TraceSettings | None = None,
    logs: LogSettings | None = None,
    guard: Guard | None = None,
    forward: Forward | None = None,
) -> dict[str, Method]:
    """By path, for GrpcServer. shared: None refuses system shared memory. forward: puts metadata among the parameters
    of inference requests."""
    inference, health = Inference(server, shared, forward), Health(server)
    management = Management(server, shared)
    settings = Settings(server, traces or TraceSettings(), logs or LogSettings())
    found: dict[str, Method] = {}
    for method in (*inference_methods(), *health_methods()):
        name, area = method.name, area_of(method.name)
        if name == "ModelStreamInfer":
            found[method.path] = Streaming(_guarded_stream(name, area, inference.stream, guard))
        elif name == "Watch":
            found[method.path] = Streaming(_guarded_stream(name, area, health.watch, guard))
        elif name == "ModelInfer":
            found[method.path] = Unary(_guarded(name, area, inference.infer, guard))
        elif name == "Check":
            found[method.path] = Unary(_guarded(name, area, health.check, guard))
        else:
            handler = getattr(settings, name, None) or getattr(management, name)
            found[method.path] = Unary(_guarded(name, area, _of_messages(method.request, handler), guard))
    return found


def area_of(method: str) -> str:
    if "SharedMemory" in method:
        return "shared-memory"
    if method.startswith("Repository"):
        return "model-repository"
    return _AREAS.get(method, "metadata")


def _of_messages(request: Any, handler: Callable[[Any], Any]) -> Callable[[bytes, Call], Answer]:
    """A handler of messages as one of bytes."""

    async def later(answer: Awaitable[Any]) -> bytes:
        try:
            return bytes((await answer).SerializeToString())
        except ServeError as error:
            raise status_of(error) from None

    def run(data: bytes, call: Call) -> Answer:
        answer = handler(request.FromString(data))
        return later(answer) if inspect.isawaitable(answer) else bytes(answer.SerializeToString())

    return run


def _guarded(
    name: str, area: str, handler: Callable[[bytes, Call], Answer], guard: Guard | None
) -> Callable[[bytes, Call], Answer]:
    """The server's errors become gRPC's."""

    def run(data: bytes, call: Call) -> Answer:
        try:
            if guard is not None:
                _ask(guard, area, call)
            return handler(data, call)
        except ServeError as error:
            raise status_of(error) from None
        except DecodeError:
            raise _undecodable(name) from None

    return run


def _guarded_stream(
    name: str, area: str, handler: Callable[[Call], Awaitable[None]], guard: Guard | None
) -> Callable[[Call], Awaitable[None]]:
    async def run(call: Call) -> None:
        try:
            if guard is not None:
                _ask(guard, area, call)
            await handler(call)
        except ServeError as error:
            raise status_of(error) from None
        except DecodeError:
            raise _undecodable(name) from None

    return run


def _ask(guard: Guard, area: str, call: Call) -> None:
    error = guard(area, call.metadata)
    if error is not None:
        raise error


def _undecodable(name: str) -> GrpcError:
    return GrpcError(Status.INVALID_ARGUMENT, f"the request is no message of {name}")
