"""Our messages are those of Triton on the wire, and live beside those of tritonclient in one process."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pytest

from burnish.serve.proto import grpc_service_pb2, health_pb2, model_config_pb2
from burnish.serve.proto.service import health_methods, inference_methods

theirs = pytest.importorskip("tritonclient.grpc.service_pb2")
their_config = pytest.importorskip("tritonclient.grpc.model_config_pb2")
LATER = {"ModelEnsembling.max_inflight_requests", "ModelConfig.model_metrics"}  # fields that Triton 2.51 had not


def fields(messages) -> dict[str, object]:
    """Of messages and those nested in them: field -> number, type, oneof; enum -> its values."""
    found: dict[str, object] = {}
    for message in messages:
        for field in message.fields:
            kind = field.message_type or field.enum_type
            oneof = field.containing_oneof.name if field.containing_oneof else ""
            name = f"{message.full_name.removeprefix('inference.')}.{field.name}"
            found[name] = (field.number, field.type, field.is_repeated, kind and kind.full_name, oneof)
        for enum in message.enum_types:
            found[enum.full_name] = {v.name: v.number for v in enum.values}
        found |= fields(message.nested_types)
    return found


@pytest.mark.parametrize(("our", "their"), [(grpc_service_pb2, theirs), (model_config_pb2, their_config)])
def test_every_field_of_tritons_messages_is_ours_with_its_number_and_type(our, their) -> None:
    have, want = (fields(m.DESCRIPTOR.message_types_by_name.values()) for m in (our, their))
    assert len(want) > 100
    assert {name: have.get(name) for name in want} == want
    extra = {name for name in have.keys() - want.keys() if not name.startswith("ModelMetrics")}
    assert extra <= LATER


def test_enums_outside_messages_are_tritons() -> None:
    for name, enum in their_config.DESCRIPTOR.enum_types_by_name.items():
        mine = model_config_pb2.DESCRIPTOR.enum_types_by_name[name]
        assert {v.name: v.number for v in mine.values} == {v.name: v.number for v in enum.values}


def test_bytes_of_tritonclient_are_read_and_ours_by_it() -> None:
    sent = theirs.ModelInferRequest(model_name="m", id="7", raw_input_contents=[b"\1\2"])
    sent.inputs.add(name="IN", datatype="INT8", shape=[2]).parameters["x"].int64_param = -1
    read = grpc_service_pb2.ModelInferRequest.FromString(sent.SerializeToString())
    assert (read.inputs[0].parameters["x"].int64_param, read.raw_input_contents[0]) == (-1, b"\1\2")
    assert theirs.ModelInferRequest.FromString(read.SerializeToString()) == sent


def test_methods_have_the_paths_that_clients_call() -> None:
    paths = {m.name: (m.path, m.request_streams, m.response_streams) for m in inference_methods()}
    assert len(paths) == 20
    assert paths["ModelInfer"] == ("/inference.GRPCInferenceService/ModelInfer", False, False)
    assert paths["ModelStreamInfer"] == ("/inference.GRPCInferenceService/ModelStreamInfer", True, True)
    want = theirs.DESCRIPTOR.services_by_name["GRPCInferenceService"].methods
    assert {m.name: (m.input_type.name, m.output_type.name) for m in want} == {
        m.name: (m.request.DESCRIPTOR.name, m.response.DESCRIPTOR.name) for m in inference_methods()
    }
    assert [m.path for m in health_methods()] == ["/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"]


def test_a_methods_classes_are_those_of_the_modules() -> None:
    by_name = {m.name: m for m in inference_methods()}
    assert by_name["ModelConfig"].response is grpc_service_pb2.ModelConfigResponse
    assert health_methods()[0].request is health_pb2.HealthCheckRequest


def test_a_message_goes_to_another_process_and_back() -> None:
    config = model_config_pb2.ModelConfig(name="m", max_batch_size=4)
    assert pickle.loads(pickle.dumps(config)) == config


@pytest.mark.parametrize("first", ["ours", "theirs"])
def test_both_are_imported_in_one_process_in_either_order(first: str) -> None:
    imports = ["import burnish.serve.proto.service", "import tritonclient.grpc.service_pb2"]
    program = "\n".join(imports if first == "ours" else reversed(imports))
    subprocess.run([sys.executable, "-c", program], check=True)
