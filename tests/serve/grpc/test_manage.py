"""The other methods, with Triton's own client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import tritonclient.grpc as client
from tritonclient.grpc import service_pb2, service_pb2_grpc
from tritonclient.utils import InferenceServerException

from burnish.serve.core.shared_memory import SharedMemory
from burnish.serve.grpc.service import methods
from tests.serve.grpc.pretended import PretendedServer, PretendedVersion, identity
from tests.serve.grpc.transport.serving import Serving


@pytest.fixture(scope="module")
def core() -> PretendedServer:
    return PretendedServer(
        PretendedVersion("m", 2, identity), PretendedVersion("m", 1, identity), PretendedVersion("a", 1, identity)
    )


@pytest.fixture(scope="module")
def serving(core: PretendedServer) -> Iterator[Serving]:
    shared = SharedMemory()
    with Serving(methods(core, shared=shared), prefix="") as found:  # type: ignore[arg-type]
        yield found
    shared.unregister_all()


@pytest.fixture
def triton(serving: Serving) -> Iterator[client.InferenceServerClient]:
    with client.InferenceServerClient(f"127.0.0.1:{serving.port}") as found:
        yield found


def seen(call: Any, *arguments: Any, **named: Any) -> tuple[str, str]:
    with pytest.raises(InferenceServerException) as found:
        call(*arguments, **named)
    return found.value.status().removeprefix("StatusCode."), found.value.message()


def test_what_is_live_and_ready(triton: client.InferenceServerClient) -> None:
    assert triton.is_server_live()
    assert triton.is_server_ready()
    assert [triton.is_model_ready("m", v) for v in ("", "1", "9")] == [True, True, False]
    assert not triton.is_model_ready("nosuch")
    assert seen(triton.is_model_ready, "m", "x")[0] == "INVALID_ARGUMENT"


def test_metadata_and_configuration(triton: client.InferenceServerClient) -> None:
    found = triton.get_server_metadata()
    assert (found.name, found.version, [*found.extensions]) == ("pretended", "1.2", ["a", "b"])
    assert [*triton.get_model_metadata("m", "1").versions] == ["1"]
    model = triton.get_model_metadata("m")
    assert ([*model.versions], model.platform, [*model.inputs[0].shape]) == (["1", "2"], "p", [-1, 4])
    assert triton.get_model_config("m").config.backend == "pretended"
    words = "Request for unknown model: 'nosuch' is not found"
    assert seen(triton.get_model_metadata, "nosuch") == ("NOT_FOUND", words)
    assert seen(triton.get_model_config, "nosuch") == ("NOT_FOUND", words)


def test_statistics_are_of_all_models_of_one_or_of_one_version(triton: client.InferenceServerClient) -> None:
    def told(*which: str) -> list[tuple[str, str]]:
        return [(s.name, s.version) for s in triton.get_inference_statistics(*which).model_stats]

    assert told() == [("a", "1"), ("m", "1"), ("m", "2")]
    assert told("m") == [("m", "1"), ("m", "2")]
    assert told("m", "2") == [("m", "2")]
    entry = triton.get_inference_statistics("a").model_stats[0]
    assert (entry.inference_count, entry.inference_stats.success.ns) == (3, 1 << 40)
    assert seen(triton.get_inference_statistics, "nosuch") == (
        "INVALID_ARGUMENT",
        "requested model 'nosuch' is not available",
    )
    words = "requested model version is not available for model 'm'"
    assert seen(triton.get_inference_statistics, "m", "9") == ("INVALID_ARGUMENT", words)


def test_the_index_is_of_all_models_or_of_those_that_are_ready(triton: client.InferenceServerClient) -> None:
    found = triton.get_model_repository_index().models
    assert [(m.name, m.version, m.state, m.reason) for m in found][-1] == ("broken", "1", "UNAVAILABLE", "why")
    ready = service_pb2.RepositoryIndexRequest(ready=True)
    assert len(triton._client_stub.RepositoryIndex(ready).models) == len(found) - 1


def test_models_are_loaded_and_unloaded(triton: client.InferenceServerClient, core: PretendedServer) -> None:
    core.repository.told.clear()
    triton.load_model("m", config='{"backend": "x"}', files={"file:1/model.onnx": b"\0\1"})
    triton.unload_model("m", unload_dependents=True)
    triton.unload_model("m")
    assert core.repository.told == [
        ("load", "m", {"config": '{"backend": "x"}', "file:1/model.onnx": b"\0\1"}),
        ("unload", "m", True),
        ("unload", "m", False),
    ]
    assert seen(triton.load_model, "broken") == ("INTERNAL", "failed to load 'broken'")


def refusal(call: Any, message: Any) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as found:
        call(message, timeout=5)
    return found.value.code().name, found.value.details()


def test_parameters_of_loads_are_checked(serving: Serving) -> None:
    stub = service_pb2_grpc.GRPCInferenceServiceStub(serving.channel())

    def load(name: str, **value: Any) -> tuple[str, str]:
        message = service_pb2.RepositoryModelLoadRequest(model_name="m")
        message.parameters[name].CopyFrom(service_pb2.ModelRepositoryParameter(**value))
        return refusal(stub.RepositoryModelLoad, message)

    kind = "invalid value type for load parameter '{}', expected {}."
    assert load("config", bool_param=True) == ("INVALID_ARGUMENT", kind.format("config", "string_param"))
    assert load("file:1/x", string_param="x") == ("INVALID_ARGUMENT", kind.format("file:1/x", "bytes_param"))
    assert load("foo", string_param="x") == ("INVALID_ARGUMENT", "unrecognized load parameter 'foo'.")
    message = service_pb2.RepositoryModelUnloadRequest(model_name="m")
    message.parameters["unload_dependents"].string_param = "x"
    words = "invalid value type for 'unload_dependents' parameter, expected bool_param."
    assert refusal(stub.RepositoryModelUnload, message) == ("INVALID_ARGUMENT", words)
    for name in ("RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"):
        message = getattr(service_pb2, f"{name}Request")(repository_name="x")
        words = "'repository_name' specification is not supported"
        assert refusal(getattr(stub, name), message) == ("UNIMPLEMENTED", words)


def test_shared_memory_is_registered_and_told(triton: client.InferenceServerClient) -> None:
    path = Path(f"/dev/shm/burnish-test-manage-{os.getpid()}")
    path.write_bytes(bytes(64))
    try:
        triton.register_system_shared_memory("r", f"/{path.name}", 32)
        region = triton.get_system_shared_memory_status().regions["r"]
        assert (region.key, region.offset, region.byte_size) == (f"/{path.name}", 0, 32)
        words = "shared memory region 'r' already in manager"
        assert seen(triton.register_system_shared_memory, "r", "/x", 32) == ("ALREADY_EXISTS", words)
        triton.unregister_system_shared_memory("r")
        triton.unregister_system_shared_memory()
        assert not triton.get_system_shared_memory_status().regions
        assert seen(triton.get_system_shared_memory_status, "r")[0] == "NOT_FOUND"
    finally:
        path.unlink()


def test_cuda_shared_memory_is_as_without_a_gpu(triton: client.InferenceServerClient) -> None:
    assert not triton.get_cuda_shared_memory_status().regions
    assert seen(triton.get_cuda_shared_memory_status, "r")[1] == "Unable to find cuda shared memory region: 'r'"
    assert seen(triton.register_cuda_shared_memory, "r", b"AAAA", 0, 8)[0] == "INVALID_ARGUMENT"
    triton.unregister_cuda_shared_memory()


def test_shared_memory_may_be_switched_off(core: PretendedServer) -> None:
    with (
        Serving(methods(core), prefix="") as serving,  # type: ignore[arg-type]
        client.InferenceServerClient(f"127.0.0.1:{serving.port}") as triton,
    ):
        words = "system shared memory is switched off on this server"
        assert seen(triton.get_system_shared_memory_status) == ("UNIMPLEMENTED", words)
