"""Move host arrays to and from a GPU through pinned memory, in pieces, so that copies overlap with transfers."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.devices.array import address_of
from burnish.devices.cuda.array import DeviceArray
from burnish.devices.cuda.driver import Driver
from burnish.devices.cuda.memory import GpuMemory

PIECE_BYTES = 1 << 20
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class _Arrival:
    """Bytes that arrive in pinned memory and belong in one of the caller's arrays."""

    pinned: int
    array: Array


class Staging:
    """Pinned buffers of one session. They are allocated at first use, for the largest size that the profile allows."""

    def __init__(self, driver: Driver, stream: int) -> None:
        self._driver, self._stream = driver, stream
        self._pinned: dict[object, GpuMemory] = {}
        self._arrivals: list[_Arrival] = []

    def send(self, key: object, array: Array, address: int, largest: int) -> None:
        """Send an array to the GPU. The array may change as soon as this returns."""
        size_bytes, source = array.nbytes, address_of(array)
        pinned = self._buffer(("in", key), max(size_bytes, largest)).address
        for start in range(0, size_bytes, PIECE_BYTES):
            count = min(PIECE_BYTES, size_bytes - start)
            ctypes.memmove(pinned + start, source + start, count)
            self._driver.copy_in(address + start, pinned + start, count, self._stream)

    def fetch(self, key: object, address: int, array: Array | DeviceArray, largest: int) -> None:
        """Fetch an array from the GPU. `arrive` fills a host array later."""
        if not array.nbytes:
            return
        if isinstance(array, DeviceArray):
            self._driver.copy(array.address, address, array.nbytes, self._stream)
            return
        pinned = self._buffer(("out", key), max(array.nbytes, largest)).address
        self._driver.copy_out(pinned, address, array.nbytes, self._stream)
        self._arrivals.append(_Arrival(pinned, array))

    def arrive(self) -> None:
        """Fill the callers' arrays. The stream's work must be complete."""
        arrivals, self._arrivals = self._arrivals, []
        for arrival in arrivals:
            ctypes.memmove(address_of(arrival.array), arrival.pinned, arrival.array.nbytes)

    def forget_arrivals(self) -> None:
        """Discard pending arrivals, because the call has failed."""
        self._arrivals = []

    def read(self, address: int, dtype: np.dtype[Any], shape: tuple[int, ...]) -> Array:
        """Wait for the GPU's work, then read bytes from the GPU."""
        found = np.empty(shape, dtype)
        self._driver.synchronize(self._stream)
        if found.nbytes:
            self._driver.download(address_of(found), address, found.nbytes)
        return found

    def free(self) -> None:
        for memory in self._pinned.values():
            memory.free()
        self._pinned.clear()

    def _buffer(self, key: object, size_bytes: int) -> GpuMemory:
        found = self._pinned.get(key)
        if found is None or found.size_bytes < size_bytes:
            if found is not None:
                self._driver.synchronize(self._stream)  # it may be in use
                found.free()
            found = self._pinned[key] = GpuMemory(self._driver, size_bytes, is_pinned=True)
        return found
