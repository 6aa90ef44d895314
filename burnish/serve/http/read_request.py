"""The body of an inference request -> Request, in the order in which Triton looks at it: so the same fault is told."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from burnish.serve.core.raw_data import DataFault, object_tensor, size_mismatch, stand_in, tensor_of, wrong_count
from burnish.serve.core.shared_memory import Region, SharedMemory
from burnish.serve.datatypes import BYTES, NUMPY
from burnish.serve.http.text.data import flatten, numbers_of, strings_of
from burnish.serve.http.text.parse import parse_json
from burnish.serve.http.text.words import (
    MISSING,
    as_array,
    as_bool,
    as_string,
    as_uint,
    find,
    is_int,
    is_uint,
    member,
    members,
)
from burnish.serve.request import Parameter, Request, Sequence, Tensor
from burnish.serve.status import Code, ServeError, invalid

_OPEN = (1 << 64) - 1  # as an axis of a shape it is Triton's -1


@dataclass(slots=True)
class OutputForm:
    """How an output is sent.

    classes   the largest so many as text; 0 for the tensor itself
    region    where in shared memory it is written instead, at `offset`, into `size` bytes
    """

    is_binary: bool = False
    classes: int = 0
    region: Region | None = None
    offset: int = 0
    size: int = 0


@dataclass(slots=True)
class Call:
    """A request, how its answer is to look, and what the model would find wrong with its data if nothing else is."""

    request: Request
    outputs: dict[str, OutputForm] = field(default_factory=dict)
    default: OutputForm = field(default_factory=OutputForm)
    fault: DataFault | None = None


def read_call(model: str, version: int, body: bytes, header_bytes: int, shared: SharedMemory | None) -> Call:
    """The JSON part, and the binary part after it. Raises ServeError."""
    document = parse_json(body if header_bytes == len(body) else memoryview(body)[:header_bytes])
    call = Call(Request(model, {}, version))
    call.request.id = read_id(document)
    _read_parameters(document, call)
    at = header_bytes
    for entry in as_array(member(document, "inputs", "Unable to parse 'inputs'"), "Unable to parse 'inputs'"):
        at = _read_input(entry, call, body, at, shared)
    if at != len(body):
        raise invalid(f"unexpected additional input data for model '{model}'")
    outputs = find(document, "outputs")
    if outputs is not MISSING:
        for entry in as_array(outputs, "Unable to parse 'outputs'"):
            _read_output(entry, call, shared)
        call.request.wanted = tuple(call.outputs)
    return call


def read_id(document: Any) -> str:
    id_ = find(document, "id")
    return "" if id_ is MISSING else as_string(id_, "Unable to parse 'id'")


def parameter_of(key: str, value: Any) -> Parameter:
    if type(value) in (str, bool, float) or is_int(value):
        return value  # type: ignore[no-any-return]
    if type(value) is int:
        return float(value)
    raise invalid(f"parameter '{key}' has invalid type. It should be either 'int', 'bool', or 'string'.")


def add_input(request: Request, name: str) -> None:
    """Raises if the request has that input already."""
    if name in request.inputs:
        raise invalid(f"input '{name}' already exists in request").of_request(request.id)


def _read_parameters(document: Any, call: Call) -> None:
    given = find(document, "parameters")
    if given is MISSING:
        return
    request = call.request
    sequence = Sequence()
    for key, value in members(given, "failed to get request params.").items():
        what = f"Unable to parse '{key}'"
        if key == "sequence_id":
            sequence.id = value if is_uint(value) else as_string(value, what)
        elif key == "sequence_start":
            sequence.is_start = as_bool(value, what)
        elif key == "sequence_end":
            sequence.is_end = as_bool(value, what)
        elif key == "priority":
            request.priority = as_uint(value, what)
        elif key == "timeout":
            request.timeout_us = as_uint(value, what)
        elif key == "binary_data_output":
            call.default = OutputForm(is_binary=as_bool(value, what))
        elif key.startswith("triton_"):
            raise invalid(
                "parameter keys starting with 'triton_' are reserved for Triton usage and should not be specified."
            )
        else:
            request.parameters[key] = parameter_of(key, value)
    if sequence != Sequence():
        request.sequence = sequence


def _read_input(entry: Any, call: Call, body: bytes, at: int, shared: SharedMemory | None) -> int:
    """Add one input. at: where its bytes begin if they are in the binary part; the result is the next one's."""
    data, parameters = find(entry, "data"), find(entry, "parameters")
    if data is MISSING or parameters is not MISSING:
        _check_source(data, parameters)
    name = as_string(member(entry, "name", "Unable to parse 'name'"), "Unable to parse 'name'")
    datatype = as_string(member(entry, "datatype", "Unable to parse 'datatype'"), "Unable to parse 'datatype'")
    if datatype not in NUMPY:
        datatype = "<invalid>"
    request = call.request
    shape = _shape_of(entry, name, request)
    add_input(request, name)
    if data is not MISSING:
        _region_place(parameters)
        request.inputs[name] = _tensor_of_json(name, datatype, shape, entry, call)
        return at
    size = find(parameters, "binary_data_size")
    if size is not MISSING:
        size = as_uint(size, "Unable to parse 'binary_data_size'")
        if at + size > len(body):
            lacks = at + size - len(body)
            raise invalid(
                f"unexpected size for input '{name}', expecting {lacks} additional bytes for model '{request.model}'"
            )
        raw: bytes | memoryview = memoryview(body)[at : at + size]
        at += size
    else:
        region, offset, size = _find_region(parameters, shared)
        raw = region.read(offset, size)
    request.inputs[name] = _tensor_of_bytes(name, datatype, shape, raw, call)
    return at


def _check_source(data: Any, parameters: Any) -> None:
    given = [
        word
        for word, value in (
            ("'data'", data),
            ("'binary_data_size'", find(parameters, "binary_data_size")),
            ("'shared_memory_region'", find(parameters, "shared_memory_region")),
        )
        if value is not MISSING
    ]
    if len(given) != 1:
        found = " ".join(["set", *given]) if given else "no field is set"
        raise invalid(
            "Input must set only one of the following fields: 'data', 'binary_data_size' in 'parameters', "
            f"'shared_memory_region' in 'parameters'. But {found}"
        )


def _shape_of(entry: Any, name: str, request: Request) -> tuple[int, ...]:
    shape = as_array(member(entry, "shape", "Unable to parse 'shape'"), "Unable to parse 'shape'")
    for size in shape:
        if type(size) is not int or not 0 <= size < 1 << 63:
            if as_uint(size, "Unable to parse 'shape'") == _OPEN:
                text = ",".join(str(-1 if n == _OPEN else n) for n in shape)
                raise invalid(
                    f"All input dimensions should be specified for input '{name}' for model '{request.model}', got "
                    f"[{text}]"
                ).of_request(request.id)
            raise invalid(f"Unable to parse 'shape': {size} is more than an axis can have")
    return tuple(shape)


def _tensor_of_json(name: str, datatype: str, shape: tuple[int, ...], entry: Any, call: Call) -> Tensor:
    count = math.prod(shape) if shape else 0  # Triton: a shape of no axes has no elements
    if not count:
        return _tensor_of_bytes(name, datatype, shape, b"", call)
    elements = flatten(as_array(entry["data"], "Unable to parse 'data'"))
    if datatype == BYTES:
        strings = strings_of(elements)
        if len(strings) != count:
            return _stand_in(name, datatype, shape, wrong_count(name, call.request.model, count, len(strings)), call)
        return object_tensor(name, strings, shape)
    return Tensor(name, datatype, numbers_of(name, datatype, elements, count).reshape(shape))


def _tensor_of_bytes(name: str, datatype: str, shape: tuple[int, ...], raw: bytes | memoryview, call: Call) -> Tensor:
    """With a wrong number of bytes the checks that come before the data's still have a shape and a type to look at."""
    try:
        if datatype in NUMPY and shape:
            return tensor_of(name, datatype, shape, raw, call.request.model)
        data_fault = DataFault(size_mismatch(name, call.request.model, -1, len(raw)))
    except DataFault as error:
        data_fault = error
    return _stand_in(name, datatype, shape, data_fault, call)


def _stand_in(name: str, datatype: str, shape: tuple[int, ...], data_fault: DataFault, call: Call) -> Tensor:
    if not data_fault.of_core:
        call.fault = call.fault or data_fault
        return stand_in(name, datatype, shape)
    return stand_in(name, datatype, shape, data_fault.error(call.request.id))


def _read_output(entry: Any, call: Call, shared: SharedMemory | None) -> None:
    parameters = find(entry, "parameters")
    has_region = find(parameters, "shared_memory_region") is not MISSING
    binary = find(parameters, "binary_data")
    if has_region:
        if find(parameters, "classification") is not MISSING:
            raise invalid("Output can't set both 'shared_memory_region' and 'classification'")
        if binary is not MISSING and as_bool(binary, "Unable to set 'binary_data'"):
            raise invalid("Output can't set both 'shared_memory_region' and 'binary_data'")
    name = as_string(member(entry, "name", "Unable to parse 'name'"), "Unable to parse 'name'")
    form = OutputForm()
    classes = find(parameters, "classification")
    if classes is not MISSING:
        form.classes = as_uint(classes, "Unable to set 'classification'")
    if has_region:
        form.region, form.offset, form.size = _find_region(parameters, shared)
    else:
        _region_place(parameters)
    if not has_region and binary is not MISSING:
        form.is_binary = as_bool(binary, "Unable to parse 'binary_data'")
    call.outputs.setdefault(name, form)


def _find_region(parameters: Any, shared: SharedMemory | None) -> tuple[Region, int, int]:
    name = as_string(parameters["shared_memory_region"], "Unable to parse 'shared_memory_region'")
    offset, size = _region_place(parameters)
    if shared is None:
        raise shared_memory_is_off()
    return shared.find(name, offset, size), offset, size


def _region_place(parameters: Any) -> tuple[int, int]:
    """Offset and size. Their types are looked at even where no region is named."""
    offset, size = find(parameters, "shared_memory_offset"), find(parameters, "shared_memory_byte_size")
    return (
        0 if offset is MISSING else as_uint(offset, "Unable to parse 'shared_memory_offset'"),
        0 if size is MISSING else as_uint(size, "Unable to parse 'shared_memory_byte_size'"),
    )


def shared_memory_is_off() -> ServeError:
    return ServeError(Code.UNSUPPORTED, "system shared memory is switched off on this server")
