"""A block of bytes on a GPU or of pinned host memory. It is freed when it is dropped or by `free`."""

from __future__ import annotations

import sys

from burnish.devices.cuda.driver import Driver
from burnish.errors import BurnishError

LEAST_BYTES = 256


class GpuMemory:
    """`address` is 0 once it is freed. E520 if there is not enough."""

    __slots__ = ("_driver", "_is_pinned", "address", "size_bytes")

    def __init__(self, driver: Driver, size_bytes: int, is_pinned: bool = False) -> None:
        self.address = 0  # what `free` finds if the next lines fail
        self._driver, self._is_pinned, self.size_bytes = driver, is_pinned, max(size_bytes, LEAST_BYTES)
        with driver.current():
            self.address = (driver.allocate_pinned if is_pinned else driver.allocate)(self.size_bytes)

    def free(self) -> None:
        """Free it. Calling it twice is harmless. On a lost GPU there is nothing left to free."""
        address, self.address = self.address, 0
        if not address:
            return
        try:
            with self._driver.current():
                (self._driver.free_pinned if self._is_pinned else self._driver.free)(address)
        except BurnishError as error:
            if error.code != "E524":
                raise

    def __del__(self) -> None:
        if not sys.is_finalizing():  # else the process is ending, and the GPU's context ends with it
            self.free()
