"""Requests of Triton's gRPC service as bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from burnish.perf.client.shared_memory import Region
from burnish.perf.data.model import Model
from burnish.perf.data.read_data import Step
from burnish.perf.options import Options, Scalar
from burnish.serve.proto import grpc_service_pb2 as pb

FINAL = "triton_final_response"
WANT_FINAL = "triton_enable_empty_final_response"


@dataclass(frozen=True, slots=True)
class GrpcRequest:
    """encoded: a ModelInferRequest."""

    encoded: bytes

    def render(self, parameters: Mapping[str, Scalar]) -> bytes:
        """The bytes to send, with these parameters besides the request's own.

        Two messages of one type, one after the other, are the merged message: that is protobuf's rule.
        """
        if not parameters:
            return self.encoded
        extra = pb.ModelInferRequest()
        _set(extra.parameters, parameters)
        return self.encoded + bytes(extra.SerializeToString())


def grpc_request(
    model: Model, step: Step, options: Options, regions: tuple[Region, Region] | None = None
) -> GrpcRequest:
    """regions: where the inputs lie in shared memory, and where the outputs go. Otherwise they travel."""
    message = pb.ModelInferRequest(model_name=model.name, model_version=model.version)
    _set(message.parameters, options.parameters)
    if options.streaming:
        message.parameters[WANT_FINAL].bool_param = True
    for tensor in step:
        entry = message.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=tensor.shape)
        if regions is not None:
            _set(entry.parameters, regions[0].place(tensor.name))
        else:
            message.raw_input_contents.append(tensor.to_bytes())
    for item in model.outputs if regions is not None else ():
        _set(message.outputs.add(name=item.name).parameters, regions[1].place(item.name) if regions else {})
    return GrpcRequest(message.SerializeToString())


def _set(field: Any, parameters: Mapping[str, Scalar]) -> None:
    """Fill a map of InferParameter."""
    for name, value in parameters.items():
        if isinstance(value, bool):
            field[name].bool_param = value
        elif isinstance(value, int):
            if value < 2**63:
                field[name].int64_param = value
            else:
                field[name].uint64_param = value
        elif isinstance(value, float):
            field[name].double_param = value
        else:
            field[name].string_param = value
