"""Messages between the server and a model's process: a JSON header, then the bytes of tensors.

Nothing that the other side sends is executed or unpickled: a message is numbers, texts and arrays.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import orjson

from burnish.serve.bytes_tensor import object_array, pack_bytes, unpack_bytes
from burnish.serve.datatypes import BYTES, NUMPY
from burnish.serve.request import Tensor

_SIZES = struct.Struct("<IQ")  # bytes of the header, bytes of the tensors
Message = tuple[dict[str, Any], memoryview]


def pack(header: dict[str, Any], tensors: Sequence[Tensor] = ()) -> list[bytes | memoryview]:
    """A message as pieces to be written one after the other; the header holds what `describe` says of its tensors."""
    pieces: list[bytes | memoryview] = []
    size = 0
    for tensor in tensors:
        raw = _raw(tensor)
        pieces.append(raw)
        size += len(raw)
    try:
        text = orjson.dumps(header)
    except TypeError:  # a client's text whose bytes are no UTF-8
        text = json.dumps(header).encode()
    return [_SIZES.pack(len(text), size) + text, *pieces]


def describe(tensors: Sequence[Tensor]) -> list[list[Any]]:
    """What the header says of tensors: name, data type, shape, size in bytes. In the order in which they are packed."""
    return [[t.name, t.datatype, list(t.shape), _size(t)] for t in tensors]


def take(described: Sequence[Sequence[Any]], data: memoryview, place: int) -> tuple[list[Tensor], int]:
    """The tensors that lie from `place` on, and where they end. Numbers are views of the data."""
    found = []
    for name, datatype, shape, size in described:
        part = data[place : place + size]
        place += size
        if datatype == BYTES:
            array = object_array(unpack_bytes(part), tuple(shape))
        else:
            array = np.frombuffer(part, NUMPY[datatype]).reshape(shape)
        found.append(Tensor(name, datatype, array))
    return found, place


class Reader:
    """Puts what arrives in pieces together to messages.

    `space` is where the next bytes go, `took` how many came. A message that is larger than the room for small ones gets
    a buffer of its own size, so that its bytes are written where they stay.
    """

    def __init__(self, small_bytes: int = 1 << 16) -> None:
        self._small = memoryview(bytearray(small_bytes))
        self._large: memoryview | None = None
        self._filled = 0

    def space(self) -> memoryview:
        return (self._small if self._large is None else self._large)[self._filled :]

    def took(self, count: int) -> Iterator[Message]:
        """The messages that are now complete."""
        self._filled += count
        if self._large is not None:
            if self._filled < len(self._large):
                return
            whole, self._large, self._filled = self._large, None, 0
            yield _split(whole)
            return
        place = 0
        while self._filled - place >= _SIZES.size:
            size = _SIZES.size + sum(_SIZES.unpack_from(self._small, place))
            if place + size > self._filled:
                if size > len(self._small):
                    self._large = memoryview(bytearray(size))
                    self._large[: self._filled - place] = self._small[place : self._filled]
                break
            yield _split(memoryview(bytes(self._small[place : place + size])))
            place += size
        self._filled -= place
        if self._filled and place and self._large is None:
            self._small[: self._filled] = bytes(self._small[place : place + self._filled])


def _split(whole: memoryview) -> Message:
    end = _SIZES.size + _SIZES.unpack_from(whole)[0]
    text = whole[_SIZES.size : end]
    try:
        return orjson.loads(text), whole[end:]
    except orjson.JSONDecodeError:
        return json.loads(bytes(text)), whole[end:]


def _raw(tensor: Tensor) -> bytes | memoryview:
    if tensor.datatype == BYTES:
        return pack_bytes(tensor.data)
    array = np.ascontiguousarray(tensor.data)
    return array.reshape(-1).view(np.uint8).data if array.size else b""


def _size(tensor: Tensor) -> int:
    if tensor.datatype != BYTES:
        return int(tensor.data.nbytes)
    return sum(4 + len(item.encode() if isinstance(item, str) else item) for item in tensor.data.ravel())
