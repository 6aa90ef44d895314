"""What is asked of a server once, over gRPC. Answers become the JSON that HTTP would bring."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.json_format import MessageToDict

from burnish.perf.client.endpoint import Endpoint
from burnish.perf.client.http2_connection import SERVICE
from burnish.perf.client.http_server import no_memory, no_model, unreachable
from burnish.serve.proto import grpc_service_pb2 as pb

OPTIONS = (("grpc.max_receive_message_length", -1),)


def credentials(endpoint: Endpoint) -> grpc.ChannelCredentials | None:
    """None for a plain connection. E681 for files that cannot be used."""
    if endpoint.context() is None:
        return None
    ca, key, certificate = (_read(p) for p in (endpoint.tls.ca, endpoint.tls.key, endpoint.tls.certificate))
    return grpc.ssl_channel_credentials(ca, key or certificate, certificate)  # one file may hold both


def _read(path: str) -> bytes | None:
    return Path(path).read_bytes() if path else None


class GrpcServer:
    """One channel, apart from those that are measured."""

    def __init__(self, endpoint: Endpoint, headers: Mapping[str, str], timeout_s: float) -> None:
        self.endpoint, self._timeout_s = endpoint, timeout_s
        self._metadata = tuple((name.lower(), value) for name, value in headers.items())
        secret = credentials(endpoint)
        self._channel = (
            grpc.insecure_channel(endpoint.authority, options=OPTIONS)
            if secret is None
            else grpc.secure_channel(endpoint.authority, secret, options=OPTIONS)
        )

    def identity(self) -> dict[str, Any]:
        """The server's name and version. {} if it does not say."""
        return self._found("ServerMetadata", pb.ServerMetadataRequest(), pb.ServerMetadataResponse) or {}

    def metadata(self, model: str, version: str) -> dict[str, Any]:
        """E684 if the server does not have the model."""
        request = pb.ModelMetadataRequest(name=model, version=version)
        try:
            return self._ask("ModelMetadata", request, pb.ModelMetadataResponse)
        except grpc.RpcError as error:
            raise no_model(self.endpoint, model, _text(error)) from None

    def config(self, model: str, version: str) -> dict[str, Any] | None:
        """None if the server does not have this extension."""
        request = pb.ModelConfigRequest(name=model, version=version)
        found = self._found("ModelConfig", request, pb.ModelConfigResponse)
        return None if found is None else dict(found.get("config", {}))

    def statistics(self) -> list[dict[str, Any]] | None:
        """Of every model and version. None if the server does not have this extension."""
        found = self._found("ModelStatistics", pb.ModelStatisticsRequest(), pb.ModelStatisticsResponse)
        return None if found is None else list(found.get("model_stats", []))

    def register_memory(self, name: str, key: str, size_bytes: int) -> None:
        """Let the server read and write this region of system shared memory. E686 if it refuses."""
        request = pb.SystemSharedMemoryRegisterRequest(name=name, key=key, byte_size=size_bytes)
        try:
            self._ask("SystemSharedMemoryRegister", request, pb.SystemSharedMemoryRegisterResponse)
        except grpc.RpcError as error:
            raise no_memory(_text(error)) from None

    def unregister_memory(self, name: str) -> None:
        request = pb.SystemSharedMemoryUnregisterRequest(name=name)
        self._found("SystemSharedMemoryUnregister", request, pb.SystemSharedMemoryUnregisterResponse)

    def _found(self, method: str, request: Any, answer: Any) -> dict[str, Any] | None:
        try:
            return self._ask(method, request, answer)
        except grpc.RpcError:
            return None

    def _ask(self, method: str, request: Any, answer: Any) -> dict[str, Any]:
        """E685 if nobody answers."""
        call = self._channel.unary_unary(f"{SERVICE}{method}")
        try:
            data = call(request.SerializeToString(), timeout=self._timeout_s, metadata=self._metadata)
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise unreachable(self.endpoint, str(error.details())) from None
            raise
        return dict(MessageToDict(answer.FromString(data), preserving_proto_field_name=True))


def _text(error: Any) -> str:
    return f"{error.code().name}: {error.details()}"
