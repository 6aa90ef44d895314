"""grpc.health.v1: what probes of Kubernetes and load balancers ask."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from burnish.serve.grpc.transport.call import Call
from burnish.serve.grpc.transport.status import GrpcError, Status
from burnish.serve.proto import health_pb2 as pb

SERVICES: Final = ("", "inference.GRPCInferenceService")
_LOOK_S: Final = 0.5


class Readiness(Protocol):
    @property
    def is_ready(self) -> bool: ...


class Health:
    """Check answers once, Watch whenever it changes."""

    def __init__(self, server: Readiness) -> None:
        self._server = server

    def check(self, data: bytes, call: Call) -> bytes:
        service = pb.HealthCheckRequest.FromString(data).service
        if service not in SERVICES:
            raise GrpcError(Status.NOT_FOUND, f"unknown service '{service}'")
        return self._answer(service)

    async def watch(self, call: Call) -> None:
        service, told = "", b""
        async for data in call.messages():
            service = pb.HealthCheckRequest.FromString(data).service
            break
        while not call.is_over:
            answer = self._answer(service)
            if answer != told:
                told = answer
                call.write(answer)
            await asyncio.sleep(_LOOK_S)

    def _answer(self, service: str) -> bytes:
        status = pb.HealthCheckResponse.SERVICE_UNKNOWN
        if service in SERVICES:
            status = pb.HealthCheckResponse.SERVING if self._server.is_ready else pb.HealthCheckResponse.NOT_SERVING
        return bytes(pb.HealthCheckResponse(status=status).SerializeToString())
