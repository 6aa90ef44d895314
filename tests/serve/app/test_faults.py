"""What goes wrong around a server costs what it touches and nothing else."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import burnish
from tests.serve.app.server_process import running

MODEL = """
import os
import triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        x = [pb.get_input_tensor_by_name(r, "X").as_numpy() for r in requests]
        return [pb.InferenceResponse([pb.Tensor("Y", a + PLUS)]) for a in x]
"""
CONFIG = """backend: "python" input { name: "X" data_type: TYPE_FP32 dims: [ 1 ] }
output { name: "Y" data_type: TYPE_FP32 dims: [ 1 ] }"""


def write(repository, name="m", plus=1, version=1, config=CONFIG, start=""):
    folder = repository / name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.py").write_text(start + MODEL.replace("PLUS", str(plus)))
    (repository / name / "config.pbtxt").write_text(config)


def ask(server, name="m"):
    body = {"inputs": [{"name": "X", "datatype": "FP32", "shape": [1], "data": [1]}]}
    status, answer = server.post(f"/v2/models/{name}/infer", body)
    return answer["outputs"][0]["data"][0] if status == 200 else status


def entry(server, name="m"):
    _, found = server.post("/v2/repository/index")
    return {e.get("version", ""): (e.get("state", ""), e.get("reason", "")) for e in found if e["name"] == name}


def until(claim, patience_s=20.0):
    end = time.monotonic() + patience_s
    while not claim():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_config_or_a_version_that_is_half_written_leaves_what_is_served_in_poll_mode(tmp_path):
    write(tmp_path)
    with running(tmp_path, server={"control": "poll", "poll_s": 0.1, "exit_on_error": False}) as server:
        (tmp_path / "m" / "config.pbtxt").write_text(CONFIG[:40])
        (tmp_path / "new" / "1").mkdir(parents=True)
        until(lambda: server.get("/v2/health/ready")[0] != 200 or time.sleep(0.5) is None)
        assert ask(server) == 2
        assert ask(server, "new") in (400, 404)
        write(tmp_path, plus=5)
        until(lambda: ask(server) == 6)
        (tmp_path / "m" / "2").mkdir()
        (tmp_path / "m" / "2" / "model.py").write_text("class Triton")
        until(lambda: "2" in entry(server))
        until(lambda: entry(server)["2"][0] == "UNAVAILABLE")
        assert "SyntaxError" in entry(server)["2"][1]
        assert ask(server) == 6
        write(tmp_path, "new", plus=7)
        until(lambda: ask(server, "new") == 8)


def test_a_model_that_crashes_while_it_loads_fails_its_load_alone(tmp_path):
    write(tmp_path)
    write(tmp_path, "crash", start="import os\nos._exit(7)\n")
    with running(tmp_path, server={"exit_on_error": False}) as server:
        assert "is not healthy" in server.failed[0]
        assert ask(server) == 2


def test_sigterm_while_a_model_loads_ends_the_server(tmp_path):
    write(tmp_path)
    write(tmp_path, "slow", start="import time\ntime.sleep(60)\n")
    options = {"control": "explicit", "load": ["m"]}
    with running(tmp_path, server=options, drain_s=1) as server:

        def load():
            with pytest.raises(OSError):
                server.post("/v2/repository/models/slow/load")

        thread = threading.Thread(target=load)
        thread.start()
        time.sleep(0.7)
        begin = time.monotonic()
        os.kill(server.process.pid, signal.SIGTERM)
        server.process.wait(15)
        assert time.monotonic() - begin < 12
        thread.join()


def test_a_plan_that_is_written_over_leaves_what_is_served_in_poll_mode(tmp_path):
    """In place, as `cp` does it: what is mapped of such a file is gone from the memory of whoever maps it."""
    plan = tmp_path / "p" / "1" / "model.plan"
    plan.parent.mkdir(parents=True)
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4096])
    weights = onnx.numpy_helper.from_array(np.eye(4096, 16, dtype=np.float32), "w")
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 16])
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", [image], [result], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    burnish.build(model, profile={"x": ((1, 4096), (1, 4096), (4, 4096))}).save(plan)
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4096], "data": [1] * 4096}]}

    def asked(server):
        status, answer = server.post("/v2/models/p/infer", body)
        return (status, answer["outputs"][0]["data"]) if status == 200 else (status, answer)

    with running(tmp_path, server={"control": "poll", "poll_s": 0.1}) as server:
        assert asked(server) == (200, [1.0] * 16)
        whole = plan.read_bytes()
        plan.write_bytes(whole[:4096])
        until(lambda: "the last load failed" in entry(server, "p")["1"][1])
        assert asked(server) == (200, [1.0] * 16)
        assert server.get("/v2/health/ready")[0] == 200
        plan.write_bytes(whole)
        until(lambda: entry(server, "p")["1"] == ("READY", ""))
        assert asked(server) == (200, [1.0] * 16)
