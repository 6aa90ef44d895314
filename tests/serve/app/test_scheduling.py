"""What the versions of a server share, over models in processes."""

import json

import pytest

from tests.serve.app.server_process import running

MODEL = """
import json, numpy as np
import triton_python_backend_utils as pb

class TritonPythonModel:
    def initialize(self, args):
        self.version, self.calls = int(args["model_version"]), 0

    def execute(self, requests):
        self.calls += len(requests)
        found = {"V": self.version, "CALLS": self.calls}
        outputs = [pb.Tensor(name, np.array([value], np.int32)) for name, value in found.items()]
        return [pb.InferenceResponse(outputs) for _ in requests]
"""
TENSORS = """input { name: "X" data_type: TYPE_INT32 dims: [ 1 ] }
output [ { name: "V" data_type: TYPE_INT32 dims: [ 1 ] }, { name: "CALLS" data_type: TYPE_INT32 dims: [ 1 ] } ]"""


def model(root, name, config, versions=(1,)):
    for version in versions:
        (root / name / str(version)).mkdir(parents=True)
        (root / name / str(version) / "model.py").write_text(MODEL)
    (root / name / "config.pbtxt").write_text(f'backend: "python" {TENSORS} {config}')


def ask(server, name, value=0, **parameters):
    tensor = {"name": "X", "datatype": "INT32", "shape": [1], "data": [value]}
    status, answer = server.post(f"/v2/models/{name}/infer", {"inputs": [tensor], "parameters": parameters})
    assert status == 200, answer
    return [o["data"][0] for o in answer["outputs"]]


@pytest.fixture
def repository(tmp_path):
    return tmp_path


def test_answers_come_out_of_the_cache_until_the_model_is_loaded_anew(repository):
    model(repository, "m", "response_cache { enable: true }")
    with running(repository, cache_bytes=1 << 20, server={"control": "explicit", "load": ["m"]}) as server:
        assert [ask(server, "m", 1), ask(server, "m", 1), ask(server, "m", 2)] == [[1, 1], [1, 1], [1, 2]]
        with (repository / "m" / "config.pbtxt").open("a", encoding="utf-8") as config:
            config.write("# what has not changed is not loaded anew\n")
        assert server.post("/v2/repository/models/m/load")[0] == 200
        assert ask(server, "m", 1) == [1, 1]
        _, found = server.get("/v2/models/m/stats")
        assert found["model_stats"][0]["inference_stats"]["cache_hit"]["count"] == 0


def test_versions_share_the_requests_that_name_none(repository):
    weights = 'parameters { key: "burnish.traffic" value { string_value: "1=3, 2=1" } }'
    model(repository, "m", f"version_policy {{ all {{}} }} {weights}", (1, 2))
    with running(repository) as server:
        assert server.failed == []
        found = [ask(server, "m")[0] for _ in range(8)]
        assert sorted(found) == [1] * 6 + [2] * 2
        assert server.post("/v2/models/m/versions/2/infer", json.loads('{"inputs": []}'))[0] == 400


def test_a_warm_up_runs_before_the_first_request(repository):
    sample = (
        'model_warmup { name: "s" inputs { key: "X" value { data_type: TYPE_INT32 dims: [ 1 ] zero_data: true } } }'
    )
    model(repository, "m", sample)
    with running(repository) as server:
        assert server.failed == []
        assert ask(server, "m") == [1, 2]


def test_an_ensemble_runs_its_steps(repository):
    model(repository, "m", "")
    (repository / "e" / "1").mkdir(parents=True)
    maps = 'input_map { key: "X" value: "A" } output_map { key: "V" value: "B" }'
    (repository / "e" / "config.pbtxt").write_text(
        f"""platform: "ensemble" input {{ name: "A" data_type: TYPE_INT32 dims: [ 1 ] }}
        output {{ name: "B" data_type: TYPE_INT32 dims: [ 1 ] }}
        ensemble_scheduling {{ step {{ model_name: "m" model_version: -1 {maps} }} }}"""
    )
    with running(repository) as server:
        assert server.failed == []
        tensor = {"name": "A", "datatype": "INT32", "shape": [1], "data": [0]}
        status, answer = server.post("/v2/models/e/infer", {"inputs": [tensor]})
        assert (status, answer["outputs"][0]["data"]) == (200, [1])


def test_a_sample_that_is_no_request_of_the_model_is_refused_as_triton_does(repository):
    one = 'model_warmup { name: "w" batch_size: 1 inputs { key: "%s" value { data_type: TYPE_FP32 dims: 1 %s } } }'
    for name, key, how in (("typed", "X", "zero_data: true"), ("other", "Z", "zero_data: true")):
        model(repository, name, one % (key, how))
    model(repository, "lost", one % ("X", 'input_data_file: "none"'))
    with running(repository, server={"exit_on_error": False}) as server:
        lost, other, typed = sorted(server.failed)
    assert f"Internal: failed to open text file for read {repository}/lost/warmup/none: No such file or" in lost
    assert "expected 1 inputs but got 0 inputs for model 'other'" in other
    assert "[request id: <id_unknown>] inference input 'X' data-type is 'FP32', but model 'typed' expects" in typed
