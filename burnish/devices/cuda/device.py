"""The device `cuda`: a GPU, and what of a plan lies on it for all sessions."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np

from burnish.devices.array import address_of
from burnish.devices.cuda.array import DeviceArray
from burnish.devices.cuda.bindings import bound_driver
from burnish.devices.cuda.driver import Driver
from burnish.devices.cuda.memory import GpuMemory
from burnish.devices.cuda.probe import targets_for
from burnish.devices.cuda.session import CudaSession
from burnish.errors import BurnishError, EnvironmentProblem
from burnish.plan.manifest import BranchStep, KernelStep, Plan, StepSpec, Variant
from burnish.target import Target, parse_target

ALIGN_BYTES = 256
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
        """The best that this GPU and its driver run. E501 if Burnish has no code for it."""
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
    """Kernels, and constants in one piece of GPU memory; freed when it is closed and its last session is."""

    def __init__(self, driver: Driver, plan: Plan, variant: Variant) -> None:
        self.driver, self.variant = driver, variant
        self.symbols = plan.manifest.symbols
        self.inputs = tuple(t.storage for t in plan.manifest.inputs)
        self.functions: dict[tuple[str, str], Any] = {}
        self._modules: dict[str, Any] = {}
        self._memory: GpuMemory | None = None
        self._sessions, self._is_closed, self._lock = 0, False, threading.Lock()
        try:
            self.constants = self._upload(plan)
            with driver.current():
                for step in kernel_steps(variant.steps):
                    self._load(step, plan)
        except BaseException:
            self._free()
            raise

    def session(self, threads: int) -> CudaSession:
        with self._lock:
            self._sessions += 1
        try:
            return CudaSession(self)
        except BaseException:
            self.release()
            raise

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            is_last = not self._sessions
        if is_last:
            self._free()

    def release(self) -> None:
        """One session fewer."""
        with self._lock:
            self._sessions -= 1
            is_last = self._is_closed and not self._sessions
        if is_last:
            self._free()

    def _upload(self, plan: Plan) -> dict[int, int]:
        """The address of each constant storage; a blob that several use lies there once."""
        places, end = dict[str, int](), 0
        constants = [s for s in self.variant.storages if s.kind == "constant"]
        for name in dict.fromkeys(s.blob for s in constants):
            places[name] = end
            end += -(-len(plan.blobs[name]) // ALIGN_BYTES) * ALIGN_BYTES
        if not places:
            return {}
        self._memory = GpuMemory(self.driver, end)
        with self.driver.current():
            for name, offset in places.items():
                content = np.frombuffer(plan.blobs[name], np.uint8)
                if content.nbytes:
                    self.driver.upload(self._memory.address + offset, address_of(content), content.nbytes)
        return {s.number: self._memory.address + places[s.blob] for s in constants}

    def _load(self, step: KernelStep, plan: Plan) -> None:
        if step.code not in self._modules:
            self._modules[step.code] = self.driver.load(plan.blobs[step.code])
        key = step.code, step.entry
        if key not in self.functions:
            module = self._modules[step.code]
            self.functions[key] = self.driver.function(module, step.entry, step.shared_bytes)

    def _free(self) -> None:
        modules, self._modules, self.functions = self._modules, {}, {}
        try:
            with self.driver.current():
                for module in modules.values():
                    self.driver.unload(module)
        except BurnishError as error:
            if error.code != "E524":
                raise
        if self._memory is not None:
            self._memory.free()

    def __del__(self) -> None:
        if getattr(self, "_modules", None) and not sys.is_finalizing():
            self._free()


def kernel_steps(steps: tuple[StepSpec, ...]) -> list[KernelStep]:
    """All of them, those inside branches too."""
    found: list[KernelStep] = []
    for step in steps:
        if isinstance(step, KernelStep):
            found.append(step)
        elif isinstance(step, BranchStep):
            found += [*kernel_steps(step.then), *kernel_steps(step.otherwise)]
    return found
