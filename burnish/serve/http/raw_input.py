"""A body without JSON: the one tensor of a model with one input. Its shape follows from its size."""

from __future__ import annotations

import math

from burnish.serve.config.show import protocol_type
from burnish.serve.core.raw_data import DataFault, object_tensor, tensor_of
from burnish.serve.datatypes import BYTES, NUMPY
from burnish.serve.http.read_request import Call, OutputForm
from burnish.serve.repository.version import ModelVersion
from burnish.serve.request import Request
from burnish.serve.status import ServeError, invalid

_NAME = "raw_input"  # Triton's, in messages


def raw_call(version: ModelVersion, number: int, body: bytes) -> Call:
    """All outputs come back as bytes. Raises ServeError."""
    config = version.config
    call = Call(Request(version.name, {}, number), default=OutputForm(is_binary=True))
    if len(config.input) != 1:
        raise _refusal(
            f"Raw request must only have 1 input (found 1) to be deduced but got {len(config.input)} inputs in "
            f"'{version.name}' model configuration"
        )
    (given,) = config.input
    dims = list(given.dims)
    if dims.count(-1) > 1:
        raise _refusal(
            f"The shape of the raw input '{given.name}' can not be deduced because there are more than one "
            "variable-sized dimension"
        )
    datatype = protocol_type(given.data_type)
    batch = [1] if version.max_batch_size > 0 else []
    if datatype == BYTES:
        if -1 in dims or math.prod(dims) != 1:
            raise _refusal(f"For BYTE datatype raw input '{given.name}', the model must have input shape [1]")
        tensor = object_tensor(given.name, [body], (*batch, *dims))
    else:
        if -1 in dims:
            fixed = -math.prod(dims) or 1
            dims[dims.index(-1)] = len(body) // fixed // NUMPY[datatype].itemsize
        try:
            tensor = tensor_of(_NAME, datatype, (*batch, *dims), body, version.name)
        except DataFault as fault:
            raise fault.error("") from None
        tensor.name = given.name
    call.request.inputs[given.name] = tensor
    return call


def _refusal(message: str) -> ServeError:
    return invalid(message).of_request("")
