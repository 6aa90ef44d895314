"""The requests that the open inference protocol's specification shows, REST and gRPC, asked of a whole server.

Its example has two inputs, of UINT32 [2, 2] and of BOOL [3], and an output of FP32 [3, 2], which here tells the inputs.
"""

import grpc
import numpy as np
import pytest

from burnish.serve.proto import grpc_service_pb2 as pb
from tests.serve.app.server_process import running

CONFIG = """backend: "python"
input [ { name: "input0" data_type: TYPE_UINT32 dims: [ 2, 2 ] }, { name: "input1" data_type: TYPE_BOOL dims: [ 3 ] } ]
output [ { name: "output0" data_type: TYPE_FP32 dims: [ 3, 2 ] } ]
"""
MODEL = """
import numpy as np
import triton_python_backend_utils as pb

class TritonPythonModel:
    def execute(self, requests):
        def answer(request):
            numbers, marks = (pb.get_input_tensor_by_name(request, f"input{i}").as_numpy() for i in range(2))
            told = marks[:, None] * numbers.sum(0) / 2
            return pb.InferenceResponse([pb.Tensor("output0", told.astype(np.float32))])
        return [answer(request) for request in requests]
"""
INPUTS = [
    {"name": "input0", "shape": [2, 2], "datatype": "UINT32", "data": [1, 2, 3, 4]},
    {"name": "input1", "shape": [3], "datatype": "BOOL", "data": [True, False, True]},
]
TOLD = [2.0, 3.0, 0.0, 0.0, 2.0, 3.0]
TENSORS = {
    "inputs": [{k: v for k, v in given.items() if k != "data"} for given in INPUTS],
    "outputs": [{"name": "output0", "datatype": "FP32", "shape": [3, 2]}],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    top = tmp_path_factory.mktemp("repository")
    (top / "mymodel" / "1").mkdir(parents=True)
    (top / "mymodel" / "config.pbtxt").write_text(CONFIG)
    (top / "mymodel" / "1" / "model.py").write_text(MODEL)
    with running(top) as made:
        assert made.failed == []
        yield made


@pytest.mark.parametrize(
    "path", ["/v2/health/live", "/v2/health/ready", "/v2/models/mymodel/ready", "/v2/models/mymodel/versions/1/ready"]
)
def test_health_over_rest_is_an_answer_of_200(server, path):
    assert server.get(path)[0] == 200


def test_metadata_over_rest_has_the_specifications_members(server):
    status, told = server.get("/v2")
    assert (status, set(told)) == (200, {"name", "version", "extensions"})
    for path in ("/v2/models/mymodel", "/v2/models/mymodel/versions/1"):
        status, told = server.get(path)
        assert (status, told["name"], told["versions"]) == (200, "mymodel", ["1"])
        assert isinstance(told["platform"], str)
        assert {key: told[key] for key in TENSORS} == TENSORS


@pytest.mark.parametrize("path", ["/v2/models/mymodel/infer", "/v2/models/mymodel/versions/1/infer"])
def test_an_inference_over_rest(server, path):
    status, told = server.post(path, {"id": "42", "inputs": INPUTS, "outputs": [{"name": "output0"}]})
    assert (status, told) == (
        200,
        {
            "id": "42",
            "model_name": "mymodel",
            "model_version": "1",
            "outputs": [TENSORS["outputs"][0] | {"data": TOLD}],
        },
    )


def test_data_over_rest_may_be_nested_as_the_shape_is(server):
    nested = [{**INPUTS[0], "data": [[1, 2], [3, 4]]}, INPUTS[1]]
    assert server.post("/v2/models/mymodel/infer", {"inputs": nested})[1]["outputs"][0]["data"] == TOLD


def test_an_error_over_rest_is_an_object_that_says_it(server):
    status, told = server.post("/v2/models/mymodel/infer", {"inputs": INPUTS[:1]})
    assert status == 400
    assert set(told) == {"error"}
    assert server.get("/v2/models/nosuch")[0] == 404


@pytest.fixture
def call(server):
    """Calls a method of the specification's service by its name, with no client library between."""
    with grpc.insecure_channel(f"127.0.0.1:{server.grpc}") as channel:

        def made(method, **fields):
            request, response = (getattr(pb, f"{method}{kind}") for kind in ("Request", "Response"))
            path = f"/inference.GRPCInferenceService/{method}"
            ask = channel.unary_unary(
                path, request_serializer=request.SerializeToString, response_deserializer=response.FromString
            )
            return ask(request(**fields), timeout=30)

        yield made


def test_health_and_metadata_over_grpc(call):
    assert call("ServerLive").live
    assert call("ServerReady").ready
    assert call("ModelReady", name="mymodel").ready
    assert call("ModelReady", name="mymodel", version="1").ready
    assert not call("ModelReady", name="nosuch").ready
    told = call("ServerMetadata")
    assert told.name
    told = call("ModelMetadata", name="mymodel")
    assert (told.name, list(told.versions)) == ("mymodel", ["1"])
    for kind, tensors in TENSORS.items():
        seen = [{"name": t.name, "datatype": t.datatype, "shape": list(t.shape)} for t in getattr(told, kind)]
        assert [tensor | {} for tensor in tensors] == [
            {key: s[key] for key in tensor} for s, tensor in zip(seen, tensors)
        ]


@pytest.mark.parametrize("is_raw", [False, True])
def test_an_inference_over_grpc_with_contents_of_each_type_and_with_raw_bytes(call, is_raw):
    wanted = pb.ModelInferRequest.InferRequestedOutputTensor(name="output0")
    fields = {"model_name": "mymodel", "model_version": "1", "id": "42", "outputs": [wanted]}
    kinds = ("uint_contents", "bool_contents")
    fields["inputs"] = [
        pb.ModelInferRequest.InferInputTensor(
            name=given["name"],
            datatype=given["datatype"],
            shape=given["shape"],
            contents=None if is_raw else {kind: given["data"]},
        )
        for given, kind in zip(INPUTS, kinds)
    ]
    if is_raw:
        fields["raw_input_contents"] = [np.array([1, 2, 3, 4], "<u4").tobytes(), b"\x01\x00\x01"]
    told = call("ModelInfer", **fields)
    assert (told.model_name, told.model_version, told.id) == ("mymodel", "1", "42")
    (output,) = told.outputs
    assert (output.name, output.datatype, list(output.shape)) == ("output0", "FP32", [3, 2])
    assert np.frombuffer(told.raw_output_contents[0], "<f4").tolist() == TOLD


def test_an_error_over_grpc_is_a_status(call):
    with pytest.raises(grpc.RpcError) as caught:
        call("ModelInfer", model_name="mymodel")
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
