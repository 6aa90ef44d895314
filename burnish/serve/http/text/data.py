"""A tensor's data between JSON and arrays, with Triton's conversions: integers wrap, FP16 and BF16 are refused."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import orjson

from burnish.serve.datatypes import BYTES, NUMPY
from burnish.serve.http.text.strings import bytes_of_text, quoted
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


def json_of(tensor: Tensor, as_single: bool = False, is_spelled: bool = False) -> Any:
    """The data as a flat list, in a form that orjson writes: an array, or text that is JSON already. Raises ServeError.

    as_single    its one element, without a list around it
    is_spelled   with numbers spelled as Triton spells them, for answers that clients read as text
    """
    data = tensor.data
    if tensor.datatype == BYTES:
        text = b",".join(quoted(e.encode() if isinstance(e, str) else e) for e in data.ravel())
        return orjson.Fragment(text if as_single else b"[%b]" % text)
    if tensor.datatype in ("FP16", "BF16"):
        raise invalid(
            f"sending {tensor.datatype} data via JSON is not supported. Please use the binary data format for output"
        )
    flat = np.ascontiguousarray(data).reshape(-1)
    if flat.dtype.kind == "f":
        flat = flat.astype(np.float64, copy=False)  # all the digits of the wider type, as Triton writes them
        if not np.isfinite(flat).all() or (is_spelled and not _are_plain(flat)):
            text = ",".join(map(spell, flat.tolist())).encode()
            return orjson.Fragment(text if as_single else b"[%b]" % text)
    return flat[0] if as_single else flat


def _are_plain(numbers: np.ndarray) -> bool:
    """Whether none is so large or so small that it may be written with an exponent."""
    sizes = np.abs(numbers)
    return bool(((sizes < 1e15) & ((sizes > 1e-3) | (sizes == 0))).all())


def spell(number: float) -> str:
    """As rapidjson writes it: up to 21 places without an exponent, which has neither a plus nor zeros before it."""
    if not math.isfinite(number):
        return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"
    mantissa, _, exponent = f"{number!r}".lstrip("-").partition("e")
    whole, _, fraction = mantissa.partition(".")
    place = len(whole) + int(exponent or 0)  # of the point, behind so many digits
    digits = (whole + fraction).lstrip("0")
    place -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    sign = "-" if math.copysign(1, number) < 0 else ""
    if not digits:
        return f"{sign}0.0"
    if 0 < place <= 21:
        return f"{sign}{digits[:place]:0<{place}}.{digits[place:] or '0'}"
    if -6 < place <= 0:
        return f"{sign}0.{'0' * -place}{digits}"
    return f"{sign}{digits[0]}{'.' if digits[1:] else ''}{digits[1:]}e{place - 1}"
