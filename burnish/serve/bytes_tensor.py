"""BYTES elements in the protocol's binary form: each one's length in four bytes, little-endian, then itself."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np

_LENGTH = struct.Struct("<I")


def pack_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """An object array of `bytes` (texts count as UTF-8), in C order."""
    parts: list[bytes] = []
    for item in array.ravel():
        raw = item.encode() if isinstance(item, str) else bytes(item)
        parts += (_LENGTH.pack(len(raw)), raw)
    return b"".join(parts)


def unpack_bytes(data: bytes | memoryview, most: int | None = None) -> list[bytes]:
    """The elements. ValueError if the data ends within one, or holds more than `most`."""
    found: list[bytes] = []
    view, place, size = memoryview(data).cast("B"), 0, len(data)
    while place < size:
        if most is not None and len(found) == most:
            raise ValueError(f"more than {most} elements")
        if place + 4 > size:
            raise ValueError("the data ends within the length of an element")
        (length,) = _LENGTH.unpack_from(view, place)
        place += 4
        if place + length > size:
            raise ValueError("the data ends within an element")
        found.append(bytes(view[place : place + length]))
        place += length
    return found


def object_array(items: list[bytes], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Elements as an array; numpy alone would make texts of one length of them."""
    array = np.empty(len(items), dtype=np.object_)
    array[:] = items
    return array.reshape(shape)
