"""A tensor of the v2 protocol: name, datatype, shape, and its values as bytes or as JSON."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import ml_dtypes
import numpy as np

from burnish.errors import UserError

KINDS: dict[str, Any] = {
    "BOOL": np.bool_, "UINT8": np.uint8, "UINT16": np.uint16, "UINT32": np.uint32, "UINT64": np.uint64,
    "INT8": np.int8, "INT16": np.int16, "INT32": np.int32, "INT64": np.int64,
    "FP16": np.float16, "FP32": np.float32, "FP64": np.float64, "BF16": ml_dtypes.bfloat16, "BYTES": np.object_,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Tensor:
    """array: of the datatype's numpy type; objects of `bytes` for BYTES."""

    name: str
    datatype: str
    array: np.ndarray[Any, Any]

    @property
    def shape(self) -> list[int]:
        return list(self.array.shape)

    def to_bytes(self) -> bytes:
        """Row-major little-endian values; each BYTES element after its length in four bytes."""
        if self.datatype != "BYTES":
            return np.ascontiguousarray(self.array).tobytes()
        return b"".join(struct.pack("<I", len(v)) + v for v in self.array.ravel())

    def to_json(self) -> list[Any]:
        """The flat values. E683 for a type that JSON cannot carry, and for bytes that are not text."""
        if self.datatype in ("FP16", "BF16"):
            raise UserError(
                "E683",
                f"input '{self.name}' of type {self.datatype} cannot be sent as JSON",
                why="the v2 protocol has no JSON form of 16-bit floats",
                hint="leave out --encoding json, or use --protocol grpc",
            )
        try:
            return [v.decode() for v in self.array.ravel()] if self.datatype == "BYTES" else self.array.ravel().tolist()
        except UnicodeDecodeError:
            raise UserError(
                "E683",
                f"input '{self.name}' holds bytes that are not UTF-8 and cannot be sent as JSON",
                hint="leave out --encoding json, or use --protocol grpc",
            ) from None


def kind_of(datatype: str, name: str) -> np.dtype[Any]:
    """The numpy type of a datatype's name. E682 for a name that the protocol does not have."""
    if datatype not in KINDS:
        raise UserError(
            "E682", f"input '{name}' has the unknown type {datatype}", why=f"the v2 types are {', '.join(KINDS)}"
        )
    found: np.dtype[Any] = np.dtype(KINDS[datatype])
    return found


def from_values(name: str, datatype: str, values: Any, shape: tuple[int, ...]) -> Tensor:
    """From the values of a JSON file, flat or nested. E683 where they do not fit the type or the shape."""
    kind = kind_of(datatype, name)
    try:
        if datatype == "BYTES":
            flat = np.array(values, np.object_).ravel()
            array = np.empty(len(flat), np.object_)
            array[:] = [v if isinstance(v, bytes) else str(v).encode() for v in flat]
        else:
            array = np.array(values).ravel().astype(kind)
        return Tensor(name, datatype, array.reshape(shape))
    except (ValueError, TypeError, OverflowError) as error:
        raise _misfit(name, datatype, shape, str(error)) from None


def from_bytes(name: str, datatype: str, data: bytes, shape: tuple[int, ...]) -> Tensor:
    """From raw values as `to_bytes` writes them; the one element of a BYTES tensor needs no length before it.

    raises: E683 if the number of bytes is not what the shape needs
    """
    kind = kind_of(datatype, name)
    count = int(np.prod(shape, dtype=np.int64))
    if datatype == "BYTES":
        elements = _split(data)
        if count == 1 and (elements is None or len(elements) != 1):
            elements = [data]
        if elements is None:
            raise _misfit(name, datatype, shape, "every element needs its length in four bytes before it")
        return from_values(name, datatype, elements, shape)
    needed = count * kind.itemsize
    if len(data) != needed:
        raise _misfit(name, datatype, shape, f"it has {len(data)} bytes and needs {needed}")
    return Tensor(name, datatype, np.frombuffer(data, kind).reshape(shape))


def _split(data: bytes) -> list[bytes] | None:
    found, place = [], 0
    while place < len(data):
        if place + 4 > len(data):
            return None
        (length,) = struct.unpack_from("<I", data, place)
        place += 4 + length
        if place > len(data):
            return None
        found.append(data[place - length : place])
    return found


def _misfit(name: str, datatype: str, shape: tuple[int, ...], why: str) -> UserError:
    return UserError(
        "E683",
        f"the data for input '{name}' does not fit {datatype}{list(shape)}",
        why=why,
        hint="mend the data, or give the shape: --shape NAME:3,224,224",
    )
