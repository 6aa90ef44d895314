"""The device `cuda`: a GPU, and the plans that are installed on it."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from burnish.devices.cuda.array import DeviceArray
from burnish.devices.cuda.bindings import bound_driver
from burnish.devices.cuda.driver import Driver
from burnish.devices.cuda.loaded import Loaded
from burnish.devices.cuda.memory import GpuMemory
from burnish.devices.cuda.probe import targets_for
from burnish.devices.cuda.session import CudaSession
from burnish.errors import EnvironmentProblem
from burnish.plan.manifest import Variant
from burnish.plan.plan import Plan
from burnish.target import Target, parse_target

CALLERS = 2  # one copies its arrays while the other computes


class Cuda:
    """GPU `number`, through `driver`: the real one unless a test gives another. E833 .. E835 if it cannot be had."""

    def __init__(self, number: int = 0, driver: Driver | None = None) -> None:
        self.driver: Driver = driver or bound_driver(number)
        self.name = f"cuda:{self.driver.number}"

    @property
    def identity(self) -> str:
        return self.driver.facts.uuid or self.name

    @property
    def target(self) -> Target:
        """The best target that this GPU and its driver run. E501 if Burnish has no code for this GPU."""
        if not (found := self._targets()):
            raise EnvironmentProblem(
                "E501",
                f"Burnish has no code for {self._description()}",
                why="its architecture is older, or newer, than any that this version compiles for",
                hint="use a GPU of compute capability 7.5, 8.x, 9.0, 10.0 or 12.0, or --target cpu",
            )
        return parse_target(found[0])

    def missing(self, target: Target) -> list[str]:
        if str(target) in self._targets():
            return []
        if target.kind != "cuda":
            return [f"a {target.kind} device"]
        return [f"a GPU for {target.level} (this one is {self._description()})"]

    def callers(self, threads: int) -> int:
        return CALLERS

    def upload(self, array: np.ndarray[Any, Any]) -> DeviceArray:
        memory = GpuMemory(self.driver, array.nbytes)
        found = DeviceArray(self.driver, memory.address, array.dtype, array.shape, memory)
        found.fill(np.ascontiguousarray(array))
        return found

    def install(self, plan: Plan, variant: Variant) -> CudaInstalled:
        return CudaInstalled(self.driver, plan, variant)

    def _targets(self) -> tuple[str, ...]:
        return targets_for(self.driver.facts.capability, self.driver.facts.cuda)

    def _description(self) -> str:
        facts = self.driver.facts
        major, minor = facts.capability
        return f"{facts.name}, compute capability {major}.{minor}, driver for CUDA {facts.cuda // 1000}"


class CudaInstalled:
    """A variant on the GPU. Its code and constants are freed when it and its last session are closed."""

    def __init__(self, driver: Driver, plan: Plan, variant: Variant) -> None:
        self._loaded = Loaded(driver, plan, variant)
        self._is_closed, self._lock = False, threading.Lock()

    def session(self, threads: int) -> CudaSession:
        self._loaded.hold()
        try:
            return CudaSession(self._loaded)
        except BaseException:
            self._loaded.release()
            raise

    def close(self) -> None:
        with self._lock:
            was_closed, self._is_closed = self._is_closed, True
        if not was_closed:
            self._loaded.release()
