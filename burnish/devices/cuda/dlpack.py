"""DLPack capsules without a library: ctypes reads and makes the C structures of its ABI.

Source: dlpack.h, version 0.8 ("dltensor" capsules, which every library still takes and gives).
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

LEGACY_STREAM = 1
_NAME = b"dltensor"
_CODES = {"i": 0, "u": 1, "f": 2, "b": 6, "c": 5}
_OTHERS = {  # types without a letter in numpy: (code, bits)
    np.dtype(ml_dtypes.bfloat16): (4, 16),
    np.dtype(ml_dtypes.float8_e4m3fn): (10, 8),
    np.dtype(ml_dtypes.float8_e5m2): (12, 8),
}
_DTYPES: dict[tuple[int, int], np.dtype[Any]] = {kind: dtype for dtype, kind in _OTHERS.items()}


class Tensor(ctypes.Structure):
    """dlpack.h's DLTensor."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("device_kind", ctypes.c_int32),
        ("device_number", ctypes.c_int32),
        ("axes", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    )


class _Managed(ctypes.Structure):
    _fields_ = (("tensor", Tensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p))


_DELETER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_DESTRUCTOR = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_python = ctypes.pythonapi
_new = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, _DESTRUCTOR)(("PyCapsule_New", _python))
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", _python))
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_IsValid", _python))
_raw_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(("PyCapsule_GetPointer", _python))
_exported: dict[int, tuple[object, ...]] = {}  # objects that a consumer still uses, by the structure's address


@dataclass(frozen=True, slots=True)
class Content:
    """The content of a capsule. Strides are in elements; None means dense."""

    address: int
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...] | None


def read(capsule: object) -> Content:
    """A capsule's tensor, borrowed: valid as long as the capsule lives. ValueError for a type that numpy lacks."""
    return content(_Managed.from_address(_pointer(capsule, _NAME)).tensor)


def content(tensor: Tensor) -> Content:
    """The structure's facts as a `Content`."""
    axes = tensor.axes
    shape = tuple(tensor.shape[n] for n in range(axes))
    strides = tuple(tensor.strides[n] for n in range(axes)) if tensor.strides else None
    return Content((tensor.data or 0) + tensor.byte_offset, _dtype(tensor), shape, strides)


def export(owner: object, address: int, dtype: np.dtype[Any], shape: tuple[int, ...], number: int) -> object:
    """A capsule over GPU memory that keeps `owner` until its consumer is done."""
    managed = _Managed()
    strides = [math.prod(shape[n + 1 :]) for n in range(len(shape))]
    sizes = (ctypes.c_int64 * max(2 * len(shape), 1))(*shape, *strides)
    tensor = managed.tensor
    tensor.data, tensor.device_kind, tensor.device_number = address, 2, number
    tensor.axes, tensor.lanes = len(shape), 1
    tensor.code, tensor.bits = _OTHERS.get(dtype) or (_CODES[dtype.kind], dtype.itemsize * 8)
    place = ctypes.addressof(sizes)
    tensor.shape = ctypes.cast(place, ctypes.POINTER(ctypes.c_int64))
    tensor.strides = ctypes.cast(place + 8 * len(shape), ctypes.POINTER(ctypes.c_int64))
    managed.deleter = ctypes.cast(_DELETE, ctypes.c_void_p).value
    place = ctypes.addressof(managed)
    _exported[place] = (owner, managed, sizes)
    return _new(place, _NAME, _DESTROY)


def _dtype(tensor: Tensor) -> np.dtype[Any]:
    kind = int(tensor.code), int(tensor.bits)
    if kind in _DTYPES and tensor.lanes == 1:
        return _DTYPES[kind]
    letter = {code: letter for letter, code in _CODES.items()}.get(tensor.code)
    if letter is None or tensor.lanes != 1 or tensor.bits % 8:
        raise ValueError(f"DLPack type {tensor.code} of {tensor.bits} bits x {tensor.lanes}")
    return np.dtype(np.bool_) if letter == "b" else np.dtype(f"{letter}{tensor.bits // 8}")


def _forget(place: int) -> None:
    _exported.pop(place, None)


def _drop(capsule: int) -> None:
    """Called if no consumer took the capsule. A consumer renames the capsule and calls the deleter itself."""
    if _is_valid(capsule, _NAME):
        _exported.pop(_raw_pointer(capsule, _NAME), None)


_DELETE, _DESTROY = _DELETER(_forget), _DESTRUCTOR(_drop)
