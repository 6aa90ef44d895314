"""Tensors as bytes: numbers in the machine's order, BYTES as a length of 4 bytes before each element."""

from __future__ import annotations

import math
import struct

import numpy as np

from burnish.serve.bytes_tensor import object_array, pack_bytes
from burnish.serve.datatypes import BYTES, NUMPY
from burnish.serve.request import StandIn, Tensor
from burnish.serve.status import ServeError, invalid

_LENGTH = struct.Struct("<I")


class DataFault(Exception):
    """The bytes do not fit the shape.

    error     what the client is told, if nothing else is wrong with its request: Triton's core looks at data last
    of_core   the error begins with the request's id, as those of Triton's core do
    """

    def __init__(self, message: str, of_core: bool = True) -> None:
        super().__init__(message)
        self.message, self.of_core = message, of_core

    def error(self, request_id: str) -> ServeError:
        error = invalid(self.message)
        return error.of_request(request_id) if self.of_core else error


def tensor_of(name: str, datatype: str, shape: tuple[int, ...], data: bytes | memoryview, model: str) -> Tensor:
    """A tensor over the bytes, without a copy if they are aligned. Raises DataFault."""
    if shape and min(shape) < 0:
        raise DataFault(size_mismatch(name, model, -1, len(data)))
    if datatype == BYTES:
        elements = np.empty(math.prod(shape), object) if math.prod(shape) <= len(data) else None
        elements = _read_elements(name, shape, data, model, elements)
        return Tensor(name, datatype, elements.reshape(shape))
    dtype = NUMPY[datatype]
    expected = math.prod(shape) * dtype.itemsize
    if len(data) != expected:
        raise DataFault(size_mismatch(name, model, expected, len(data)))
    array = np.frombuffer(data, dtype)
    if not array.flags.aligned:
        array = array.copy()
    return Tensor(name, datatype, array.reshape(shape))


def size_mismatch(name: str, model: str, expected: int, got: int) -> str:
    return f"input byte size mismatch for input '{name}' for model '{model}'. Expected {expected}, got {got}"


def wrong_count(name: str, model: str, expected: int, got: int) -> DataFault:
    """BYTES with too few or too many elements."""
    if got > expected:
        return DataFault(
            f"unexpected number of string elements {expected + 1} for inference input '{name}' for model '{model}', "
            f"expecting {expected}"
        )
    return DataFault(f"expected {expected} string elements for inference input '{name}' for model '{model}', got {got}")


def stand_in(name: str, datatype: str, shape: tuple[int, ...], fault: ServeError | None = None) -> StandIn:
    return StandIn(name, datatype, np.empty(0, NUMPY.get(datatype, np.uint8)), shape, fault)


def object_tensor(name: str, elements: list[bytes], shape: tuple[int, ...]) -> Tensor:
    """BYTES of these elements."""
    return Tensor(name, BYTES, object_array(elements, shape))


def bytes_of(tensor: Tensor) -> bytes:
    """The reverse of `tensor_of`."""
    if tensor.datatype == BYTES:
        return pack_bytes(tensor.data)
    return tensor.data.tobytes()


def _read_elements(
    name: str, shape: tuple[int, ...], data: bytes | memoryview, model: str, elements: np.ndarray | None
) -> np.ndarray:
    expected, at, end, count = math.prod(shape), 0, len(data), 0
    raw = bytes(data)
    while at < end:
        if end - at < _LENGTH.size:
            raise DataFault(
                f"incomplete string length indicator for inference input '{name}' for model '{model}', expecting "
                f"{_LENGTH.size} bytes but only {end - at} bytes available. Please make sure the string length "
                "indicator is in one buffer."
            )
        (length,) = _LENGTH.unpack_from(raw, at)
        at += _LENGTH.size
        if count == expected:
            raise wrong_count(name, model, expected, count + 1)
        if elements is not None and at + length <= end:
            elements[count] = raw[at : at + length]
        at += length
        count += 1
        if at > end and count == expected:
            raise DataFault(
                f"incomplete string data for inference input '{name}', expecting string of length {length} but only "
                f"{end - (at - length)} bytes available",
                of_core=False,
            )
    if count != expected or elements is None:
        raise wrong_count(name, model, expected, count)
    return elements
