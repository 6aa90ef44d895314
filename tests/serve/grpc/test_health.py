from __future__ import annotations

import grpc
import pytest

from burnish.serve.grpc.service import methods
from burnish.serve.proto import health_pb2 as pb
from tests.serve.grpc.pretended import PretendedServer
from tests.serve.grpc.transport.serving import Serving

CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"


def asked(service: str) -> bytes:
    return pb.HealthCheckRequest(service=service).SerializeToString()


def status(data: bytes) -> int:
    return int(pb.HealthCheckResponse.FromString(data).status)


@pytest.mark.parametrize("service", ["", "inference.GRPCInferenceService"])
def test_check_says_whether_the_server_is_ready(service: str) -> None:
    core = PretendedServer()
    with Serving(methods(core), prefix="") as serving:  # type: ignore[arg-type]
        check = serving.channel().unary_unary(CHECK)
        assert status(check(asked(service), timeout=5)) == pb.HealthCheckResponse.SERVING
        core.is_ready = False
        assert status(check(asked(service), timeout=5)) == pb.HealthCheckResponse.NOT_SERVING
        with pytest.raises(grpc.RpcError) as found:
            check(asked("other"), timeout=5)
        assert found.value.code() == grpc.StatusCode.NOT_FOUND


def test_watch_tells_every_change() -> None:
    core = PretendedServer()
    with Serving(methods(core), prefix="") as serving:  # type: ignore[arg-type]
        answers = serving.channel().unary_stream(WATCH)(asked(""), timeout=10)
        assert status(next(answers)) == pb.HealthCheckResponse.SERVING
        core.is_ready = False
        assert status(next(answers)) == pb.HealthCheckResponse.NOT_SERVING
        answers.cancel()
        other = serving.channel().unary_stream(WATCH)(asked("other"), timeout=10)
        assert status(next(other)) == pb.HealthCheckResponse.SERVICE_UNKNOWN
        other.cancel()
