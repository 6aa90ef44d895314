"""The parts of a plan that all sessions on a GPU share: its kernels, and its constants in one block of memory."""

from __future__ import annotations

import sys
import threading
from typing import Any

import numpy as np

from burnish.devices.array import address_of
from burnish.devices.cuda.driver import Driver
from burnish.devices.cuda.memory import GpuMemory
from burnish.errors import BurnishError
from burnish.plan.manifest import KernelStep, Variant, each_step
from burnish.plan.native_abi import GPU_ALIGN_BYTES
from burnish.plan.plan import Plan


class Loaded:
    """Kernels and constants. Its maker and each session hold it; the last one to release it frees it."""

    def __init__(self, driver: Driver, plan: Plan, variant: Variant) -> None:
        self.driver, self.variant = driver, variant
        self.symbols = plan.manifest.symbols
        self.inputs = tuple(t.storage for t in plan.manifest.inputs)
        self.functions: dict[tuple[str, str], Any] = {}
        self._modules: dict[str, Any] = {}
        self._memory: GpuMemory | None = None
        self._holders, self._lock = 1, threading.Lock()
        try:
            self.constants = self._upload(plan)
            with driver.current():
                for step in each_step(variant.steps):
                    if isinstance(step, KernelStep):
                        self._load(step, plan)
        except BaseException:
            self._free()
            raise

    def hold(self) -> None:
        """Add one user."""
        with self._lock:
            self._holders += 1

    def release(self) -> None:
        """Remove one user."""
        with self._lock:
            self._holders -= 1
            is_last = not self._holders
        if is_last:
            self._free()

    def _upload(self, plan: Plan) -> dict[int, int]:
        """Upload, and give the address of each constant storage. A blob that several storages use is uploaded once."""
        places, end = dict[str, int](), 0
        constants = [s for s in self.variant.storages if s.kind == "constant"]
        for name in dict.fromkeys(s.blob for s in constants):
            places[name] = end
            end += -(-len(plan.blobs[name]) // GPU_ALIGN_BYTES) * GPU_ALIGN_BYTES
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
