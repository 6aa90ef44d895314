"""An answer of the server's to ModelInferResponse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from burnish.serve.core.classification import classify
from burnish.serve.core.raw_data import bytes_of
from burnish.serve.grpc.read_infer import Part, Wishes
from burnish.serve.repository.version import ModelVersion
from burnish.serve.request import Parameter, Response
from burnish.serve.status import Code, ServeError

FINAL = "triton_final_response"


def fill(message: Any, response: Response, version: ModelVersion, wishes: Wishes) -> None:
    """Write outputs and parameters into a message; those that go to shared memory are empty in it."""
    message.model_name = response.model
    message.model_version = str(response.version)
    if response.id:
        message.id = response.id
    if response.parameters:
        set_parameters(message.parameters, response.parameters)
    outputs, raw = message.outputs, message.raw_output_contents
    for tensor in response.outputs or ():
        name = tensor.name
        if name in wishes.classes:
            tensor = classify(tensor, wishes.classes[name], version.labels(name), version.max_batch_size > 0)
        outputs.add(name=name, datatype=tensor.datatype, shape=tensor.shape)
        data = bytes_of(tensor)
        if name in wishes.parts:
            _write_part(wishes.parts[name], name, data)
            data = b""
        raw.append(data)


def _write_part(part: Part, name: str, data: bytes) -> None:
    if len(data) > part.size:
        raise ServeError(
            Code.INTERNAL,
            f"shared memory size specified with the request for output '{name}' ({part.size} bytes) should be at least "
            f"{len(data)} bytes to hold the results",
        )
    part.region.write(part.offset, data)


def set_parameters(target: Any, parameters: Mapping[str, Parameter]) -> None:
    """Into a map of InferParameter."""
    for name, value in parameters.items():
        if isinstance(value, bool):
            target[name].bool_param = value
        elif isinstance(value, int):
            target[name].int64_param = value
        elif isinstance(value, float):
            target[name].double_param = value
        else:
            target[name].string_param = value
