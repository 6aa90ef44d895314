"""Python models that call other models of a whole server."""

import threading
import time

import pytest

from tests.serve.app.server_process import running

TENSORS = """backend: "python" input { name: "X" data_type: TYPE_INT32 dims: [ 1 ] }
output { name: "Y" data_type: TYPE_INT32 dims: [ 1 ] }"""
BEGIN = """
import asyncio, time
import numpy as np
import triton_python_backend_utils as pb

def x(request):
    return pb.get_input_tensor_by_name(request, "X").as_numpy()

def respond(y):
    return pb.InferenceResponse([pb.Tensor("Y", np.asarray(y, np.int32).reshape(1))])

def call(model, value):
    return pb.InferenceRequest(
        model_name=model, requested_output_names=["Y"], inputs=[pb.Tensor("X", np.asarray(value, np.int32).reshape(1))]
    )

class TritonPythonModel:
"""
MODELS = {
    "double": """
    def execute(self, requests):
        for r in requests:
            time.sleep(0.5 if x(r)[0] == 500 else 0)
        return [respond(x(r) * 2) for r in requests]
""",
    "count": """
    def execute(self, requests):
        for r in requests:
            sender = r.get_response_sender()
            for n in range(x(r)[0]):
                sender.send(respond(n))
            sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
""",
    "waits": """
    def execute(self, requests):
        answers = [call("double", x(r)).exec() for r in requests]
        return [respond(pb.get_output_tensor_by_name(a, "Y").as_numpy() + 1) for a in answers]
""",
    "gathers": """
    async def execute(self, requests):
        answers = await asyncio.gather(*(call("double", x(r) + n).async_exec() for r in requests for n in range(50)))
        return [respond(sum(pb.get_output_tensor_by_name(a, "Y").as_numpy()[0] for a in answers))]
""",
    "sums": """
    def execute(self, requests):
        answers = call("count", x(requests[0])).exec(decoupled=True)
        return [respond(sum(t.as_numpy()[0] for a in answers for t in a.output_tensors()))]
""",
    "fails": """
    def execute(self, requests):
        return [pb.InferenceResponse(error=call("nosuch", 1).exec().error())]
""",
}


@pytest.fixture
def repository(tmp_path):
    for name, text in MODELS.items():
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "1" / "model.py").write_text(BEGIN + text)
        policy = "model_transaction_policy { decoupled: true }" if name == "count" else ""
        (tmp_path / name / "config.pbtxt").write_text(TENSORS + policy)
    return tmp_path


def ask(server, model, value):
    tensor = {"name": "X", "datatype": "INT32", "shape": [1], "data": [value]}
    status, answer = server.post(f"/v2/models/{model}/infer", {"inputs": [tensor]})
    return answer["outputs"][0]["data"][0] if status == 200 else answer["error"]


def test_a_model_calls_others_and_is_answered_also_while_the_server_stops(repository):
    with running(repository) as server:
        assert server.failed == []
        assert ask(server, "waits", 3) == 7
        assert ask(server, "gathers", 1) == sum(2 * (1 + n) for n in range(50))
        assert ask(server, "sums", 5) == 0 + 1 + 2 + 3 + 4
        assert ask(server, "fails", 1) == (
            "Model nosuch - Error when running inference: Failed for execute the inference request. "
            "Model 'nosuch' is not ready."
        )
        status, statistics = server.get("/v2/models/double/stats")
        assert (status, statistics["model_stats"][0]["inference_stats"]["success"]["count"]) == (200, 51)
        late = []
        threads = [threading.Thread(target=lambda: late.append(ask(server, "waits", 500))) for _ in range(2)]
        for thread in threads:
            thread.start()
        time.sleep(0.25)
        server.process.terminate()  # the second one has not called yet
        for thread in threads:
            thread.join()
        assert late == [1001, 1001]
