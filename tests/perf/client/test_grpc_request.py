"""The bytes of requests over gRPC."""

from __future__ import annotations

from burnish.perf.client.grpc_request import grpc_request
from burnish.perf.client.shared_memory import Region
from burnish.perf.data.tensor import from_values
from burnish.perf.options import Options
from burnish.serve.proto import grpc_service_pb2 as pb
from tests.perf.made_report import MODEL

STEP = (from_values("IN", "FP32", [1, 2, 3, 4], (1, 4)), from_values("T", "BYTES", ["a"], (1, 1)))


def test_tensors_are_raw_and_parameters_have_their_types() -> None:
    options = Options("echo", parameters={"a": 1, "b": True, "c": "x", "d": 0.5})
    request = grpc_request(MODEL, STEP, options)
    found = pb.ModelInferRequest.FromString(request.render({}))
    assert found.model_name == "echo"
    assert [(i.name, i.datatype, list(i.shape)) for i in found.inputs] == [
        ("IN", "FP32", [1, 4]),
        ("T", "BYTES", [1, 1]),
    ]
    assert list(found.raw_input_contents) == [t.to_bytes() for t in STEP]
    shown = {name: p.WhichOneof("parameter_choice") for name, p in found.parameters.items()}
    assert shown == {"a": "int64_param", "b": "bool_param", "c": "string_param", "d": "double_param"}


def test_a_sequences_parameters_are_added_to_the_encoded_request() -> None:
    request = grpc_request(MODEL, STEP, Options("echo", parameters={"a": 1}))
    found = pb.ModelInferRequest.FromString(request.render({"sequence_id": 2**63, "sequence_start": True}))
    assert found.parameters["a"].int64_param == 1
    assert found.parameters["sequence_id"].uint64_param == 2**63 and found.parameters["sequence_start"].bool_param
    assert len(found.inputs) == 2 and len(found.raw_input_contents) == 2


def test_a_stream_asks_for_its_final_response() -> None:
    found = pb.ModelInferRequest.FromString(grpc_request(MODEL, STEP, Options("echo", streaming=True)).render({}))
    assert found.parameters["triton_enable_empty_final_response"].bool_param


def test_shared_memory_is_named_and_nothing_travels() -> None:
    regions = Region("in", {"IN": (0, 16), "T": (64, 5)}), Region("out", {"OUT": (0, 99)})
    found = pb.ModelInferRequest.FromString(grpc_request(MODEL, STEP, Options("echo"), regions).render({}))
    assert not found.raw_input_contents
    assert found.inputs[1].parameters["shared_memory_offset"].int64_param == 64
    assert found.outputs[0].parameters["shared_memory_region"].string_param == "out"
