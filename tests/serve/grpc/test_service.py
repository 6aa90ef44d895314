from __future__ import annotations

import grpc
import pytest

from burnish.serve.grpc.service import area_of, methods
from burnish.serve.grpc.transport.call import Streaming
from burnish.serve.grpc.transport.header_blocks import Metadata
from burnish.serve.proto.service import health_methods, inference_methods
from burnish.serve.status import Code, ServeError
from tests.serve.grpc.pretended import PretendedServer
from tests.serve.grpc.transport.serving import Serving


def test_every_method_of_both_services_is_served() -> None:
    found = methods(PretendedServer())  # type: ignore[arg-type]
    declared = (*inference_methods(), *health_methods())
    assert {m.path for m in declared} == set(found)
    assert {m.path for m in declared if m.response_streams} == {p for p, m in found.items() if isinstance(m, Streaming)}


def test_a_guard_sees_each_calls_area_and_metadata_and_may_refuse_it() -> None:
    asked: list[str] = []

    def guard(area: str, metadata: Metadata) -> ServeError | None:
        asked.append(area)
        if area == "health" or ("authorization", "key") in metadata:
            return None
        return ServeError(Code.UNAUTHENTICATED, "this server wants a key")

    with Serving(methods(PretendedServer(), guard=guard), prefix="") as serving:  # type: ignore[arg-type]
        channel = serving.channel()
        unary = channel.unary_unary("/inference.GRPCInferenceService/ServerMetadata")
        stream = channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        for call in (lambda: unary(b"", timeout=5), lambda: list(stream(iter([]), timeout=5))):
            with pytest.raises(grpc.RpcError) as refused:
                call()
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        assert unary(b"", metadata=(("authorization", "key"),), timeout=5)
        assert channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=5)
        assert asked == ["metadata", "inference", "metadata", "health"]


def test_every_method_has_one_of_tritons_areas() -> None:
    """As its documentation lists them for restricted protocols."""
    areas = {m.name: area_of(m.name) for m in (*inference_methods(), *health_methods())}
    assert {a for n, a in areas.items() if n.endswith("Metadata")} == {"metadata"}
    assert {a for n, a in areas.items() if "Ready" in n or "Live" in n} == {"health"}
    assert {areas[n] for n in ("ModelInfer", "ModelStreamInfer")} == {"inference"}
    assert (areas["RepositoryIndex"], areas["CudaSharedMemoryStatus"]) == ("model-repository", "shared-memory")
    assert len(set(areas.values())) == 9
