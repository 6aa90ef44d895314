"""The calls of `pycuda.driver` that TensorRT scripts make, on host memory: for scripts that run on the CPU target.

`import burnish.tensorrt.pycuda as cuda` in place of `import pycuda.driver as cuda` (and of `import pycuda.autoinit`).
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from burnish.tensorrt.memory import Array, address_of


class DeviceAllocation:
    """Memory that int() turns into its address."""

    def __init__(self, size: int) -> None:
        self._owner = np.empty(int(size) + 64, np.uint8)

    def __int__(self) -> int:
        return -(-int(self._owner.ctypes.data) // 64) * 64

    __index__ = __int__

    def free(self) -> None:
        """Nothing: the memory goes with the object, which a plan may still be reading."""


class Stream:
    """A stream on which everything has happened already."""

    handle = 0

    def synchronize(self) -> None:
        pass


def mem_alloc(size: int) -> DeviceAllocation:
    return DeviceAllocation(size)


def pagelocked_empty(shape: Any, dtype: Any, order: Any = "C", mem_flags: int = 0) -> Array:
    return np.empty(shape, dtype, order)


def pagelocked_zeros(shape: Any, dtype: Any, order: Any = "C", mem_flags: int = 0) -> Array:
    return np.zeros(shape, dtype, order)


def memcpy_htod(to: Any, source: Any) -> None:
    """An array's bytes to an address."""
    array = np.ascontiguousarray(source)
    ctypes.memmove(address_of(to), array.ctypes.data, array.nbytes)


def memcpy_dtoh(to: Array, source: Any) -> None:
    """As many bytes as the array has, from an address."""
    ctypes.memmove(to.ctypes.data, address_of(source), to.nbytes)


def memcpy_htod_async(to: Any, source: Any, stream: Stream | None = None) -> None:
    memcpy_htod(to, source)


def memcpy_dtoh_async(to: Array, source: Any, stream: Stream | None = None) -> None:
    memcpy_dtoh(to, source)
