"""An event of the driver: a point in a stream's work that other streams can wait for."""

from __future__ import annotations

import sys
from typing import Any

from burnish.devices.cuda.driver import Driver
from burnish.errors import BurnishError


class Event:
    """Destroyed when it is dropped."""

    __slots__ = ("_driver", "handle")

    def __init__(self, driver: Driver, is_timed: bool = False) -> None:
        self.handle: Any = None
        self._driver = driver
        with driver.current():
            self.handle = driver.event(is_timed)

    def record(self, stream: int) -> None:
        self._driver.record(self.handle, stream)

    def synchronize(self) -> None:
        with self._driver.current():
            self._driver.synchronize_event(self.handle)

    def milliseconds_since(self, start: Event) -> float:
        return self._driver.elapsed(start.handle, self.handle)

    def destroy(self) -> None:
        """Destroy the event. Calling it twice is harmless."""
        handle, self.handle = self.handle, None
        if handle is None:
            return
        try:
            with self._driver.current():
                self._driver.destroy_event(handle)
        except BurnishError:
            return  # the GPU is lost, and everything on it

    def __del__(self) -> None:
        if not sys.is_finalizing():
            self.destroy()
