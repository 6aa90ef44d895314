"""The methods of a gRPC service, as its .proto lists them: paths, message classes, streaming."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.message_factory import GetMessageClass

from burnish.serve.proto import grpc_service_pb2, health_pb2


@dataclass(frozen=True, slots=True)
class Method:
    """One method: its path as HTTP/2 carries it, the classes of its messages, and which sides stream."""

    name: str
    path: str
    request: Any
    response: Any
    request_streams: bool
    response_streams: bool


@cache
def inference_methods() -> tuple[Method, ...]:
    """Of inference.GRPCInferenceService."""
    return _methods(grpc_service_pb2.DESCRIPTOR, "GRPCInferenceService")


@cache
def health_methods() -> tuple[Method, ...]:
    """Of grpc.health.v1.Health."""
    return _methods(health_pb2.DESCRIPTOR, "Health")


def _methods(file: Any, name: str) -> tuple[Method, ...]:
    service = file.services_by_name[name]
    return tuple(
        Method(
            m.name,
            f"/{service.full_name}/{m.name}",
            GetMessageClass(m.input_type),
            GetMessageClass(m.output_type),
            m.client_streaming,
            m.server_streaming,
        )
        for m in service.methods
    )
