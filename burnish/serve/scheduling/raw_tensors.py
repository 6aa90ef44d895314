"""Tensors out of files of a model's folder: elements in order, little-endian, a string after its length in 4 bytes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from burnish.serve.datatypes import BYTES, NUMPY
from burnish.serve.status import ServeError, invalid

Array = np.ndarray[Any, Any]


def zeros(datatype: str, shape: tuple[int, ...]) -> Array:
    """Zeros of a protocol's type; empty strings for BYTES."""
    data = np.zeros(shape, NUMPY[datatype])
    if datatype == BYTES:
        data.fill(b"")
    return data


def decode(content: bytes, datatype: str, shape: tuple[int, ...], what: str) -> Array:
    """raises INVALID_ARG if the content is not as long as the shape asks for; `what` says whose it is."""
    count = math.prod(shape)
    if datatype == BYTES:
        return _strings(content, count, what).reshape(shape)
    dtype = NUMPY[datatype]
    if len(content) != count * dtype.itemsize:
        raise _wrong(what, f"{count * dtype.itemsize} bytes", f"{len(content)}")
    return np.frombuffer(content, dtype).reshape(shape).copy()


def _strings(content: bytes, count: int, what: str) -> Array:
    found, at = [], 0
    while at + 4 <= len(content):
        end = at + 4 + int.from_bytes(content[at : at + 4], "little")
        found.append(content[at + 4 : end])
        at = end
    if at != len(content) or len(found) != count:
        raise _wrong(what, f"{count} strings", f"{len(found)} in {len(content)} bytes")
    data = np.empty(count, np.object_)
    data[:] = found
    return data


def _wrong(what: str, expected: str, found: str) -> ServeError:
    return invalid(f"the file of {what} must hold {expected}, and holds {found}")
