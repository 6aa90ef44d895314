"""Memory by address, and IHostMemory.

On the CPU target an address is a host pointer: `array.ctypes.data`, `tensor.data_ptr()`, what `burnish.tensorrt.cudart`
allocates. TensorRT's API passes plain integers, so nothing here can check how long the memory behind one is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from burnish.devices.array import array_at
from burnish.dtypes import DType
from burnish.errors import UserError
from burnish.tensorrt.datatype import DataType
from burnish.tensorrt.managed import Managed

__all__ = ["IHostMemory"]

Array = np.ndarray[Any, Any]


class IHostMemory(bytes, Managed):
    """Bytes that the builder or an engine made: write them to a file, or deserialize them."""

    @property
    def nbytes(self) -> int:
        return len(self)

    @property
    def dtype(self) -> DataType:
        return DataType.INT8


def address_of(memory: Any) -> int:
    """The address in whatever a script passes: an int, an array, a tensor, or an object that converts to int."""
    if isinstance(memory, np.ndarray):
        return int(memory.ctypes.data)
    if hasattr(memory, "data_ptr"):
        return int(memory.data_ptr())
    return int(memory)


def view(address: int, dtype: DType, shape: tuple[int, ...], where: str) -> Array:
    """An array over the memory at an address. E654 for a null address (an empty array needs none)."""
    if address == 0 and 0 not in shape:
        raise UserError("E654", f"{where} has no address", hint="context.set_tensor_address(name, address)")
    return array_at(address, dtype.numpy, shape)
