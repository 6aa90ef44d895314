"""ModelInferRequest to a request of the server's, with Triton's rules and words for each field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from burnish.serve.core.raw_data import DataFault, size_mismatch, stand_in, tensor_of, wrong_count
from burnish.serve.core.shared_memory import Region, SharedMemory
from burnish.serve.datatypes import BYTES, NUMPY
from burnish.serve.request import Request, Sequence, Tensor
from burnish.serve.status import Code, ServeError, invalid

EMPTY_FINAL = "triton_enable_empty_final_response"
_CONTENT_TWICE = "unexpected 'content' provided when using shared memory for input tensor '{}' for model '{}'"
_INVALID = "<invalid>"  # how Triton calls a data type that it does not know
_UNSIGNED = (1 << 64) - 1
# Each field of InferTensorContents: what Triton calls its type, and the data types that it may hold.
_CONTENTS = {
    "bool_contents": ("BOOL", ("BOOL",)),
    "int_contents": ("INT32", ("INT8", "INT16", "INT32")),
    "int64_contents": ("INT64", ("INT64",)),
    "uint_contents": ("UINT32", ("UINT8", "UINT16", "UINT32")),
    "uint64_contents": ("UINT64", ("UINT64",)),
    "fp32_contents": ("FP32", ("FP32",)),
    "fp64_contents": ("FP64", ("FP64",)),
    "bytes_contents": ("BYTES", (BYTES,)),
}


@dataclass(frozen=True, slots=True)
class Part:
    """Where in shared memory a tensor lies."""

    region: Region
    offset: int
    size: int


@dataclass(slots=True)
class Wishes:
    """How the client wants its answers.

    classes       for how many classes an output is asked, by its name
    parts         where in shared memory an output goes, by its name
    empty_final   whether a decoupled model's end is told by an answer without outputs
    """

    classes: dict[str, int] = field(default_factory=dict)
    parts: dict[str, Part] = field(default_factory=dict)
    empty_final: bool = False


@dataclass(slots=True)
class Asked:
    """fault: an error in the tensors' bytes that the model would find, so that it is told only if there is no other."""

    request: Request
    wishes: Wishes
    fault: ServeError | None = None


def read_infer(message: Any, version: int, shared: SharedMemory | None) -> Asked:
    """raises: ServeError, INVALID_ARG (NOT_FOUND for an unknown region of shared memory)"""
    request = Request(message.model_name, {}, version, message.id)
    asked = Asked(request, Wishes())
    if message.parameters:
        _read_parameters(message.parameters, request, asked.wishes)
    if message.outputs:
        _read_outputs(message.outputs, asked, shared)
    _read_inputs(message, asked, shared)
    return asked


def _read_parameters(found: Mapping[str, Any], request: Request, wishes: Wishes) -> None:
    for name, parameter in found.items():
        kind = parameter.WhichOneof("parameter_choice")
        value: Any = getattr(parameter, kind) if kind else None
        if name in ("sequence_id", "sequence_start", "sequence_end"):
            request.sequence = request.sequence or Sequence()
            _read_sequence(name, kind, value, request.sequence)
        elif name == "priority":
            _expect(name, kind, "int64_param", "uint64_param", between=" or ")
            if value < 0:
                raise invalid("invalid value for 'priority', expected value >= 0.")
            request.priority = value
        elif name == "timeout":
            _expect(name, kind, "int64_param")
            request.timeout_us = value & _UNSIGNED
        elif name == EMPTY_FINAL:
            _expect(name, kind, "bool_param")
            wishes.empty_final = value
        elif name.startswith("triton_"):
            raise invalid(
                "parameter keys starting with 'triton_' are reserved for Triton usage. Only the following keys "
                f"starting with 'triton_' are allowed: {EMPTY_FINAL}"
            )
        elif kind in ("int64_param", "bool_param", "string_param", "double_param"):
            request.parameters[name] = value
        else:
            _expect(name, kind, "int64_param", "bool_param", "string_param", between=", or ")


def _read_sequence(name: str, kind: str | None, value: Any, sequence: Sequence) -> None:
    if name == "sequence_id":
        _expect(name, kind, "int64_param", "string_param", between=" or ")
        sequence.id = value & _UNSIGNED if isinstance(value, int) else value
        return
    _expect(name, kind, "bool_param")
    if name == "sequence_start":
        sequence.is_start = value
    else:
        sequence.is_end = value


def _expect(name: str, kind: str | None, *kinds: str, between: str = "") -> None:
    if kind not in kinds:
        words = ", ".join(kinds[:-1]) + between + kinds[-1]
        raise invalid(f"invalid value type for '{name}' parameter, expected {words}.")


def _read_outputs(outputs: Any, asked: Asked, shared: SharedMemory | None) -> None:
    wishes = asked.wishes
    for output in outputs:
        name = output.name
        if not output.parameters:
            continue
        is_classified = "classification" in output.parameters
        conflict = "output can't set both 'shared_memory_region' and 'classification'" if is_classified else ""
        part = _read_part(name, output.parameters, shared, conflict)
        if is_classified:
            parameter = output.parameters["classification"]
            if parameter.WhichOneof("parameter_choice") != "int64_param":
                raise invalid("invalid value type for 'classification' parameter, expected int64_param")
            if parameter.int64_param <= 0:
                raise invalid("invalid value for 'classification' parameter, expected >= 0")
            wishes.classes[name] = parameter.int64_param
        elif part is not None:
            wishes.parts[name] = part
    asked.request.wanted = tuple(dict.fromkeys(output.name for output in outputs))


def _read_part(tensor: str, parameters: Mapping[str, Any], shared: SharedMemory | None, conflict: str) -> Part | None:
    """Where in shared memory a tensor lies, if its parameters say so; conflict: why it may not."""
    if "shared_memory_region" not in parameters:
        for word in ("shared_memory_offset", "shared_memory_byte_size"):
            if word in parameters:
                raise invalid(
                    f"'{word}' can not be specified without 'shared_memory_region' parameter for tensor '{tensor}'"
                )
        return None
    name = _parameter(tensor, parameters, "shared_memory_region", "string_param")
    offset = 0
    if "shared_memory_offset" in parameters:
        offset = _parameter(tensor, parameters, "shared_memory_offset", "int64_param")
    if "shared_memory_byte_size" not in parameters:
        raise invalid(
            "'shared_memory_byte_size' must be specified along with 'shared_memory_region' parameter for tensor "
            f"'{tensor}'"
        )
    size = _parameter(tensor, parameters, "shared_memory_byte_size", "int64_param")
    if conflict:
        raise invalid(conflict)
    if shared is None:
        raise ServeError(Code.UNSUPPORTED, "system shared memory is switched off on this server")
    if offset < 0:
        raise invalid(f"Invalid offset for shared memory region: '{name}'")
    return Part(shared.find(name, offset, size), offset, size)


def _parameter(tensor: str, parameters: Mapping[str, Any], name: str, kind: str) -> Any:
    parameter = parameters[name]
    if parameter.WhichOneof("parameter_choice") != kind:
        raise invalid(f"invalid value type for '{name}' parameter for tensor '{tensor}', expected {kind}.")
    return getattr(parameter, kind)


def _read_inputs(message: Any, asked: Asked, shared: SharedMemory | None) -> None:
    """Inputs in shared memory take none of the raw contents; what is left of those at the end is ignored."""
    raw = message.raw_input_contents
    inputs, model, taken = asked.request.inputs, message.model_name, 0
    if len({given.name for given in message.inputs}) < len(message.inputs):
        raise _given_twice(message)
    for given in message.inputs:
        name = given.name
        has_contents = given.HasField("contents")
        part = None
        if given.parameters:
            conflict = _CONTENT_TWICE.format(name, model)
            part = _read_part(name, given.parameters, shared, conflict if has_contents else "")
        data: bytes | None = None
        if part is not None:
            data = part.region.read(part.offset, part.size)
        elif raw:
            if has_contents:
                start = "contents field must not be specified when using raw_input_contents for"
                raise invalid(f"{start} '{name}' for model '{model}'")
            if taken >= len(raw):
                raise _no_data(model, name)
            data = raw[taken]
            taken += 1
        elif not has_contents:
            raise _no_data(model, name)
        inputs[name] = _tensor(model, given, data, asked)


def _given_twice(message: Any) -> ServeError:
    names = [given.name for given in message.inputs]
    name = next(name for place, name in enumerate(names) if name in names[:place])
    return invalid(f"input '{name}' already exists in request").of_request(message.id)


def _tensor(model: str, given: Any, data: bytes | None, asked: Asked) -> Tensor:
    """From bytes, or from contents. Where they do not fit, one without data stands in until all else is checked."""
    name, datatype, shape = given.name, given.datatype, tuple(given.shape)
    try:
        if data is None:
            return _read_contents(model, given, shape)
        if datatype in NUMPY:
            return tensor_of(name, datatype, shape, data, model)
        fault = DataFault(size_mismatch(name, model, -1, len(data)))
    except DataFault as found:
        fault = found
    error = fault.error(asked.request.id)
    if not fault.of_core:
        asked.fault = asked.fault or error
    return stand_in(name, datatype if datatype in NUMPY else _INVALID, shape, error if fault.of_core else None)


def _no_data(model: str, name: str) -> ServeError:
    return invalid(f"unable to find data for input tensor '{name}' for model '{model}' in request.")


def _read_contents(model: str, given: Any, shape: tuple[int, ...]) -> Tensor:
    """A tensor whose elements stand in the one field that suits its type."""
    name, datatype, contents = given.name, given.datatype, given.contents
    found = None
    for descriptor, _ in contents.ListFields():
        start = f"unexpected explicit tensor data for input tensor '{name}' for model '{model}'"
        if found is not None:
            raise invalid(f"{start}, binary data was already supplied.")
        spelled, fitting = _CONTENTS[descriptor.name]
        if datatype not in fitting:
            known = datatype if datatype in NUMPY else _INVALID
            raise invalid(f"{start} of type '{spelled}', expected datatype '{known}'")
        found = descriptor.name
    elements = getattr(contents, found) if found is not None else ()
    expected = math.prod(shape) if min(shape, default=0) >= 0 else -1
    if datatype == BYTES:
        if len(elements) != expected:
            raise wrong_count(name, model, expected, len(elements))
        array = np.empty(expected, np.object_)
        array[:] = elements
        return Tensor(name, datatype, array.reshape(shape))
    dtype = NUMPY.get(datatype)
    if dtype is None or len(elements) != expected:
        size = dtype.itemsize if dtype is not None else 1
        raise DataFault(size_mismatch(name, model, expected * size, len(elements) * size))
    if dtype.itemsize < 4 and datatype != "BOOL":  # what does not fit wraps around, as in Triton
        return Tensor(name, datatype, np.array(elements, np.int64).astype(dtype).reshape(shape))
    return Tensor(name, datatype, np.array(elements, dtype).reshape(shape))
