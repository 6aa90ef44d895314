"""Dims, Permutation and Weights: how TensorRT's API passes shapes and numbers."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from typing import Any, SupportsIndex, overload

import numpy as np

from burnish.errors import UserError
from burnish.tensorrt.datatype import DataType, burnish_dtype, data_type

__all__ = ["Dims", "Dims2", "Dims3", "Dims4", "DimsHW", "Permutation", "Weights"]


class Dims(list[int]):
    """A shape of at most eight dimensions; -1: known only at run time. Equal to a tuple or list of its values."""

    MAX_DIMS = 8
    _rank: int | None = None

    def __init__(self, *shape: int | Iterable[int]) -> None:
        values = [int(v) for v in (shape[0] if len(shape) == 1 and isinstance(shape[0], Iterable) else shape)]  # type: ignore[arg-type]
        if len(values) > self.MAX_DIMS or (self._rank is not None and values and len(values) != self._rank):
            limit = f"at most {self.MAX_DIMS}" if self._rank is None else str(self._rank)
            raise UserError("E651", f"{type(self).__name__} takes {limit} dimensions, not {len(values)}")
        super().__init__(values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, list | tuple) and list(self) == list(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None

    def __repr__(self) -> str:
        return f"({', '.join(map(str, self))}{',' if len(self) == 1 else ''})"

    @overload
    def __getitem__(self, index: SupportsIndex) -> int: ...
    @overload
    def __getitem__(self, index: slice) -> Any: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        found = super().__getitem__(index)
        return tuple(found) if isinstance(found, list) else found


class Dims2(Dims):
    _rank = 2


class DimsHW(Dims2):
    """Height and width."""

    @property
    def h(self) -> int:
        return self[0]

    @h.setter
    def h(self, value: int) -> None:
        self[0] = value

    @property
    def w(self) -> int:
        return self[1]

    @w.setter
    def w(self, value: int) -> None:
        self[1] = value


class Dims3(Dims):
    _rank = 3


class Dims4(Dims):
    _rank = 4


class Permutation(Dims):
    """Axis i of the result is axis `permutation[i]` of the input."""


class Weights:
    """Constant numbers: of a numpy array, of a pointer and a count, or none.

    Weights(array)   Weights(DataType.FLOAT)   Weights(DataType.FLOAT, pointer, count)
    The bytes are read, not copied, until the network is built: keep the array as it is until then.
    """

    def __init__(self, a: Any = DataType.FLOAT, ptr: int = 0, count: int = 0, *, type: DataType | None = None) -> None:
        first = type if type is not None else a
        if isinstance(first, Weights):
            first = first.numpy()
        if isinstance(first, DataType):
            numpy_type = burnish_dtype(first).numpy
            size_bytes = count * numpy_type.itemsize
            buffer: Any = (ctypes.c_byte * size_bytes).from_address(ptr) if count else b""
            self._array: np.ndarray[Any, Any] = np.frombuffer(buffer, numpy_type)
            self.dtype = first
        else:
            self._array = np.ascontiguousarray(first)
            self.dtype = data_type(self._array.dtype, "Weights")

    def numpy(self) -> np.ndarray[Any, Any]:
        return self._array

    @property
    def size(self) -> int:
        return int(self._array.size)

    @property
    def nbytes(self) -> int:
        return int(self._array.nbytes)

    def __len__(self) -> int:
        return self.size


def weights_array(weights: Any) -> np.ndarray[Any, Any] | None:
    """The numbers of a `Weights`, a numpy array, or None; None where there are none."""
    if weights is None:
        return None
    array = weights.numpy() if isinstance(weights, Weights) else np.ascontiguousarray(weights)
    return array if array.size else None
