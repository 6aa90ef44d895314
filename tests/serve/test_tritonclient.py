"""Triton's own clients, all four of them, against a whole server: they must not notice whom they speak to."""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tritonclient.grpc as grpc
import tritonclient.grpc.aio as grpc_aio
import tritonclient.http as http
import tritonclient.http.aio as http_aio
import tritonclient.utils.shared_memory as shm
from tritonclient.utils import InferenceServerException

from tests.serve.app.server_process import ServerProcess, running

DOUBLE = """
import numpy as np
import triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        found = []
        for request in requests:
            x = pb.get_input_tensor_by_name(request, "X").as_numpy()
            names = np.array([str(v).encode() for v in x.ravel()], dtype=object).reshape(x.shape)
            found.append(pb.InferenceResponse([pb.Tensor("Y", x * 2), pb.Tensor("NAME", names)]))
        return found
"""
COUNT = """
import numpy as np
import triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            for n in range(int(request.inputs()[0].as_numpy()[0])):
                sender.send(pb.InferenceResponse([pb.Tensor("N", np.array([n], np.int32))]))
            sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
"""
CONFIGS = {
    "double": (
        DOUBLE,
        """backend: "python" max_batch_size: 8 input { name: "X" data_type: TYPE_FP32 dims: [ 3 ] }
        output [ { name: "Y" data_type: TYPE_FP32 dims: [ 3 ] label_filename: "labels.txt" },
                 { name: "NAME" data_type: TYPE_STRING dims: [ 3 ] } ] dynamic_batching { }""",
    ),
    "count": (
        COUNT,
        """backend: "python" model_transaction_policy { decoupled: true }
        input { name: "COUNT" data_type: TYPE_INT32 dims: [ 1 ] }
        output { name: "N" data_type: TYPE_INT32 dims: [ 1 ] }""",
    ),
}
X = np.array([[1, 2, 3], [6, 5, 4]], np.float32)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    root: Path = tmp_path_factory.mktemp("models")
    for name, (code, config) in CONFIGS.items():
        (root / name / "1").mkdir(parents=True)
        (root / name / "1" / "model.py").write_text(code)
        (root / name / "config.pbtxt").write_text(config)
    (root / "double" / "labels.txt").write_text("cat\ndog\nowl\n")
    control = {"control": "explicit", "load": ["*"]}
    with running(root, shared_memory=True, server=control) as made:
        assert made.failed == []
        yield made


def given(library):
    tensor = library.InferInput("X", list(X.shape), "FP32")
    tensor.set_data_from_numpy(X)
    return [tensor]


def check(answer):
    assert answer.as_numpy("Y").tolist() == (X * 2).tolist()
    names = answer.as_numpy("NAME")[0].tolist()
    assert [n if isinstance(n, bytes) else n.encode() for n in names] == [b"1.0", b"2.0", b"3.0"]  # JSON has texts


def look_around(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("double", "1")
    assert not client.is_model_ready("nosuch")


def test_http(server):
    with http.InferenceServerClient(f"127.0.0.1:{server.http}") as client:
        look_around(client)
        assert client.get_model_metadata("double")["inputs"][0]["shape"] == [-1, 3]
        assert client.get_model_config("double")["max_batch_size"] == 8
        for binary in (True, False):
            wanted = [http.InferRequestedOutput(n, binary_data=binary) for n in ("Y", "NAME")]
            for compression in (None, "gzip", "deflate"):
                options = {"request_compression_algorithm": compression, "response_compression_algorithm": compression}
                check(client.infer("double", given(http), outputs=wanted, request_id="r", **options))
        best = client.infer("double", given(http), outputs=[http.InferRequestedOutput("Y", class_count=1)])
        assert best.as_numpy("Y").ravel().tolist() == [b"6.000000:2:owl", b"12.000000:0:cat"]
        check(client.async_infer("double", given(http)).get_result())
        with pytest.raises(InferenceServerException, match="unexpected inference output 'Z' for model 'double'"):
            client.infer("double", given(http), outputs=[http.InferRequestedOutput("Z")])
        assert client.get_inference_statistics("double")["model_stats"][0]["inference_stats"]["success"]["count"] >= 8


def test_grpc(server):
    with grpc.InferenceServerClient(f"127.0.0.1:{server.grpc}") as client:
        look_around(client)
        assert client.get_model_metadata("double", as_json=True)["inputs"][0]["shape"] == ["-1", "3"]
        assert client.get_model_config("double").config.max_batch_size == 8
        for compression in (None, "gzip", "deflate"):
            check(client.infer("double", given(grpc), compression_algorithm=compression, client_timeout=20))
        answers: queue.Queue = queue.Queue()
        client.async_infer("double", given(grpc), lambda result, error: answers.put((result, error)))
        check(answers.get(timeout=20)[0])
        names = {m["name"] for m in client.get_model_repository_index(as_json=True)["models"]}
        assert names == set(CONFIGS)
        with pytest.raises(InferenceServerException, match="is not found") as caught:
            client.infer("nosuch", given(grpc))
        assert caught.value.status() == "StatusCode.NOT_FOUND"


def test_a_decoupled_model_streams_over_grpc(server):
    with grpc.InferenceServerClient(f"127.0.0.1:{server.grpc}") as client:
        answers: queue.Queue = queue.Queue()
        client.start_stream(lambda result, error: answers.put((result, error)))
        tensor = grpc.InferInput("COUNT", [1], "INT32")
        tensor.set_data_from_numpy(np.array([3], np.int32))
        client.async_stream_infer("count", [tensor], enable_empty_final_response=True)
        found = []
        while True:
            result, error = answers.get(timeout=20)
            assert error is None
            if result.get_response().parameters["triton_final_response"].bool_param:
                break
            found.append(int(result.as_numpy("N")[0]))
        client.stop_stream()
        assert found == [0, 1, 2]


@pytest.mark.parametrize("library", [http, grpc], ids=["http", "grpc"])
def test_tensors_pass_through_shared_memory(server, library):
    region = shm.create_shared_memory_region("both", "/burnish_test_both", 2 * X.nbytes)
    try:
        shm.set_shared_memory_region(region, [X])
        port = server.http if library is http else server.grpc
        with library.InferenceServerClient(f"127.0.0.1:{port}") as client:
            client.register_system_shared_memory("both", "/burnish_test_both", 2 * X.nbytes)
            tensor, wanted = library.InferInput("X", [2, 3], "FP32"), library.InferRequestedOutput("Y")
            tensor.set_shared_memory("both", X.nbytes)
            wanted.set_shared_memory("both", X.nbytes, offset=X.nbytes)
            client.infer("double", [tensor], outputs=[wanted])
            assert shm.get_contents_as_numpy(region, np.float32, [2, 3], offset=X.nbytes).tolist() == (X * 2).tolist()
            client.unregister_system_shared_memory("both")
    finally:
        shm.destroy_shared_memory_region(region)


@pytest.mark.parametrize("library", [http_aio, grpc_aio], ids=["http", "grpc"])
def test_the_clients_of_asyncio(server, library):
    async def go():
        port, plain = (server.http, http) if library is http_aio else (server.grpc, grpc)
        async with library.InferenceServerClient(f"127.0.0.1:{port}") as client:
            assert await client.is_model_ready("double")
            for answer in await asyncio.gather(*(client.infer("double", given(plain)) for _ in range(16))):
                check(answer)

    asyncio.run(go())


def test_a_model_is_unloaded_and_loaded_by_its_client(server):
    with http.InferenceServerClient(f"127.0.0.1:{server.http}") as client:
        client.unload_model("count")
        assert not client.is_model_ready("count")
        client.load_model("count")
        assert client.is_model_ready("count")
