"""Find a foreign tensor's address in a few microseconds, for libraries with DLPack C functions (torch 2.10 and later).

`tensor.__dlpack__()` costs tens of us in torch, mostly to order streams. A type that has `__dlpack_c_exchange_api__`
gives the same facts through C calls that synchronise nothing. It also tells which stream its library works on, so we
can order the streams ourselves.

Source: dlpack.h 1.3, DLPackExchangeAPI.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

from burnish.devices.cuda.dlpack import LEGACY_STREAM, Content, Tensor, content

_NAME = b"dlpack_exchange_api"
_MAJOR = 1
_PYTHON = ctypes.pythonapi
_is_valid = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_IsValid", _PYTHON))
_pointer = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.py_object, ctypes.c_char_p)(("PyCapsule_GetPointer", _PYTHON))
_VIEW = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.POINTER(Tensor))
_STREAM = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_int, ctypes.c_int32, ctypes.POINTER(ctypes.c_void_p))


class _Table(ctypes.Structure):
    _fields_ = (
        ("major", ctypes.c_uint32),
        ("minor", ctypes.c_uint32),
        ("previous", ctypes.c_void_p),
        ("allocator", ctypes.c_void_p),
        ("managed_from_object", ctypes.c_void_p),
        ("managed_to_object", ctypes.c_void_p),
        ("view", ctypes.c_void_p),
        ("stream", ctypes.c_void_p),
    )


@dataclass(frozen=True, slots=True)
class View:
    """A tensor, borrowed as long as its object lives; device: DLPack's kind and number."""

    content: Content
    device: tuple[int, int]


class Exchange:
    """One type's functions."""

    def __init__(self, table: _Table) -> None:
        self._view, self._stream = _VIEW(table.view), _STREAM(table.stream)

    def view(self, value: object) -> View:
        """The tensor as a View. Raises the library's error (mostly BufferError) if it does not export the tensor."""
        tensor = Tensor()
        if self._view(value, ctypes.byref(tensor)):
            raise BufferError("its library does not hand it out")
        return View(content(tensor), (tensor.device_kind, tensor.device_number))

    def stream(self, device: tuple[int, int]) -> int:
        """The stream that the library uses now for work on this device, in this thread."""
        found = ctypes.c_void_p()
        if self._stream(*device, ctypes.byref(found)):
            raise BufferError("its library does not say on which stream it works")
        return found.value or LEGACY_STREAM


_known: dict[type, Exchange | None] = {}


def exchange_of(kind: type) -> Exchange | None:
    """A type's functions. None if the type has none, or those of another major version."""
    if kind not in _known:
        _known[kind] = _find(getattr(kind, "__dlpack_c_exchange_api__", None))
    return _known[kind]


def _find(capsule: Any) -> Exchange | None:
    if capsule is None or not _is_valid(capsule, _NAME):
        return None
    table = _Table.from_address(_pointer(capsule, _NAME))
    return Exchange(table) if table.major == _MAJOR and table.view and table.stream else None
