"""A whole server, spoken to over its ports."""

import gzip
import json
import threading
import time
import urllib.error
import urllib.request

import grpc as plain_grpc
import numpy as np
import pytest
import tritonclient.grpc as grpc

from tests.serve.app.server_process import running

MODEL = """
import time
import triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        x = [pb.get_input_tensor_by_name(r, "X").as_numpy() for r in requests]
        time.sleep(float(x[0].ravel()[0]) / 1000)
        return [pb.InferenceResponse([pb.Tensor("Y", a + 1)]) for a in x]
"""
CONFIG = """backend: "python" input { name: "X" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "Y" data_type: TYPE_FP32 dims: [ 1 ] }"""
BODY = json.dumps({"inputs": [{"name": "X", "datatype": "FP32", "shape": [1], "data": [1]}]}).encode()


@pytest.fixture
def repository(tmp_path):
    (tmp_path / "m" / "1").mkdir(parents=True)
    (tmp_path / "m" / "1" / "model.py").write_text(MODEL)
    (tmp_path / "m" / "config.pbtxt").write_text(CONFIG)
    return tmp_path


def ask(server, value):
    body = {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1], "data": [value]}]}
    return server.post("/v2/models/m/infer", body)


def test_a_server_answers_and_ends_with_status_0(repository):
    with running(repository) as server:
        assert server.failed == []
        assert server.get("/v2/health/ready") == (200, "")
        status, answer = ask(server, 2)
        assert (status, answer["outputs"][0]["data"]) == (200, [3.0])
    assert server.process.returncode == 0


def test_a_request_under_way_is_answered_after_sigterm(repository):
    with running(repository) as server:
        found = []
        thread = threading.Thread(target=lambda: found.append(ask(server, 700)))
        thread.start()
        time.sleep(0.3)
        server.process.terminate()
        thread.join()
        assert found[0][0] == 200
    assert server.process.returncode == 0


def test_a_broken_model_ends_the_server_only_if_it_is_to(repository):
    (repository / "bad").mkdir()
    with running(repository, server={"exit_on_error": False}) as server:
        assert "bad" in server.failed[0]
        assert ask(server, 1)[0] == 200
    with running(repository) as server:
        assert server.process.wait(20) == 1


def test_both_protocols_and_the_metrics_tell_of_one_server(repository):
    with running(repository) as server:
        assert ask(server, 1)[0] == 200
        client = grpc.InferenceServerClient(f"127.0.0.1:{server.grpc}")
        tensor = grpc.InferInput("X", [1], "FP32")
        tensor.set_data_from_numpy(np.array([4], np.float32))
        assert client.infer("m", [tensor]).as_numpy("Y").tolist() == [5]
        client.close()
        status, page = server.get("/metrics", server.metrics)
        assert status == 200
        assert 'nv_inference_request_success{model="m",version="1"} 2' in page


def test_the_largest_body_is_the_same_for_every_port_and_also_once_decompressed(repository):
    with running(repository, body_bytes=10_000) as server:

        def http_code(body, **headers):
            url = f"http://127.0.0.1:{server.http}/v2/models/m/infer"
            request = urllib.request.Request(url, body, headers)
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    return answer.status
            except urllib.error.HTTPError as refused:
                with refused:
                    return refused.code

        large = BODY + b" " * (10_001 - len(BODY))
        assert http_code(BODY) == 200
        assert http_code(gzip.compress(BODY), **{"Content-Encoding": "gzip"}) == 200
        assert http_code(large) == 413
        assert http_code(gzip.compress(large), **{"Content-Encoding": "gzip"}) == 400
        with plain_grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:
            infer = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
            for compression in (plain_grpc.Compression.NoCompression, plain_grpc.Compression.Gzip):
                with pytest.raises(plain_grpc.RpcError) as refused:
                    infer(large, timeout=10, compression=compression)
                assert refused.value.code() == plain_grpc.StatusCode.RESOURCE_EXHAUSTED
                assert refused.value.details() == "Received message larger than max (10001 vs. 10000)"


def test_headers_that_a_pattern_names_are_parameters_of_the_request_over_both_protocols(tmp_path):
    (tmp_path / "told" / "1").mkdir(parents=True)
    (tmp_path / "told" / "1" / "model.py").write_text(
        MODEL.replace("import time", "import numpy as np").split("        x = ")[0]
        + """        told = [np.array([r.parameters()], dtype=np.object_) for r in requests]
        return [pb.InferenceResponse([pb.Tensor("Y", t)]) for t in told]
"""
    )
    config = CONFIG.partition("output")[0] + 'output { name: "Y" data_type: TYPE_STRING dims: [ 1 ] }'
    (tmp_path / "told" / "config.pbtxt").write_text(config)
    with running(tmp_path, http_forward="x-my|^priority$", grpc_forward="x-my") as server:
        assert server.failed == []
        asked = urllib.request.Request(
            f"http://127.0.0.1:{server.http}/v2/models/told/infer",
            BODY,
            {"X-My": "1", "priority": "high", "other": "2"},
        )
        with urllib.request.urlopen(asked, timeout=10) as answer:
            (found,) = json.load(answer)["outputs"][0]["data"]
        assert json.loads(found) == {"x-my": "1", "priority": "high"}
        tensor = grpc.InferInput("X", [1], "FP32")
        tensor.set_data_from_numpy(np.array([4], np.float32))
        with grpc.InferenceServerClient(f"127.0.0.1:{server.grpc}") as client:
            answer = client.infer("told", [tensor], headers={"x-my": "1", "other": "2"}, parameters={"k": 3})
        assert json.loads(answer.as_numpy("Y")[0]) == {"k": 3, "x-my": "1"}
