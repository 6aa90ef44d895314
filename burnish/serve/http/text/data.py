"""A tensor's data between JSON and arrays, with Triton's conversions: integers wrap, FP16 and BF16 are refused."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson

from burnish.serve.datatypes import BYTES, NUMPY
from burnish.serve.http.text.parse import bytes_of_text
from burnish.serve.http.text.words import fault, is_int, is_uint
from burnish.serve.request import Tensor
from burnish.serve.status import ServeError, invalid

_DATA = "Unable to parse 'data'"
_MISFIT = "Shape does not match true shape of 'data' field"
_TYPES = {
    "b": "attempt to access JSON non-boolean as boolean",
    "u": "attempt to access JSON non-unsigned-integer as unsigned-integer",
    "i": "attempt to access JSON non-signed-integer as signed-integer",
    "f": "attempt to access JSON non-number as double",
}
_NUMBERS, _WIDEST = frozenset((int, float)), {"i": np.int64, "u": np.uint64, "f": np.float64}


def flatten(data: list[Any]) -> list[Any]:
    """The elements in order. How they are nested does not matter, as long as they are as many as the shape says."""
    while list in set(map(type, data)):
        data = list(itertools.chain.from_iterable(x if type(x) is list else (x,) for x in data))
    return data


def numbers_of(name: str, datatype: str, elements: Sequence[Any], count: int) -> np.ndarray:
    """A flat array of `count` numbers or truth values. Raises ServeError."""
    if datatype in ("FP16", "BF16"):
        raise invalid(
            f"receiving {datatype} data via JSON is not supported. Please use the binary data format for input {name}"
        )
    dtype = NUMPY.get(datatype)
    if dtype is None:
        raise invalid(f"invalid datatype for input {name}")
    kind = dtype.kind
    types = set(map(type, elements))
    if len(elements) != count or not types <= ({bool} if kind == "b" else _NUMBERS if kind == "f" else {int}):
        raise _number_fault(kind, elements, count)
    if kind == "b":
        return np.array(elements, dtype)
    try:
        wide = np.array(elements, _WIDEST[kind])
    except OverflowError:  # an integer beyond 64 bits, or a negative one for an unsigned type
        raise _number_fault(kind, elements, count) from None
    if kind == "f":
        with np.errstate(over="ignore"):
            return wide.astype(dtype, copy=False)
    return wide.astype(dtype, copy=False)


def strings_of(elements: Sequence[Any]) -> list[bytes]:
    """The elements of BYTES. Raises ServeError."""
    try:
        return [e.encode() for e in elements]
    except (AttributeError, UnicodeEncodeError):
        pass
    if any(type(e) is not str for e in elements):
        raise fault("attempt to access JSON non-string as string", "Unable to parse JSON bytes array")
    return [bytes_of_text(e) for e in elements]


def _number_fault(kind: str, elements: Sequence[Any], count: int) -> ServeError:
    """Triton goes from element to element: the first of a wrong type, unless there are too many before it."""
    fits: Callable[[Any], bool] = {
        "b": lambda v: type(v) is bool,
        "u": is_uint,
        "i": is_int,
        "f": lambda v: type(v) in _NUMBERS,
    }[kind]
    bad = any(not fits(v) for v in elements[: max(count, 0)])
    return fault(_TYPES[kind] if bad else _MISFIT, _DATA)


def json_of(tensor: Tensor, as_single: bool = False) -> Any:
    """The data as a flat list, in a form that orjson writes: an array, or text that is JSON already. Raises ServeError.

    as_single: its one element, without a list around it
    """
    data = tensor.data
    if tensor.datatype == BYTES:
        text = b",".join(map(_quoted, data.ravel()))
        return orjson.Fragment(text if as_single else b"[%b]" % text)
    if tensor.datatype in ("FP16", "BF16"):
        raise invalid(
            f"sending {tensor.datatype} data via JSON is not supported. Please use the binary data format for output"
        )
    flat = np.ascontiguousarray(data).reshape(-1)
    if flat.dtype.kind == "f":
        flat = flat.astype(np.float64, copy=False)  # all the digits of the wider type, as Triton writes them
        if not np.isfinite(flat).all():
            text = json.dumps(flat.tolist(), separators=(",", ":")).encode()
            return orjson.Fragment(text[1:-1] if as_single else text)
    return flat[0] if as_single else flat


def _quoted(element: bytes | str) -> bytes:
    """A JSON string whose bytes are those of the element, be they UTF-8 or not."""
    raw = element.encode() if isinstance(element, str) else element
    return json.dumps(raw.decode("latin-1"), ensure_ascii=False).encode("latin-1")
