"""The device `cpu`: aligned memory, constants used where they lie, machine code, thread teams."""

from __future__ import annotations

from typing import Any

import numpy as np

from burnish.devices import Team
from burnish.devices.cpu.elf import LoadedObject, load_object
from burnish.devices.cpu.memory import CpuMemory, allocate, constant
from burnish.devices.cpu.processor import core_count, supports
from burnish.devices.cpu.session import CpuInstalled
from burnish.devices.cpu.threads import ThreadTeam
from burnish.plan.manifest import Variant
from burnish.plan.plan import Plan
from burnish.target import Target

ENTRY_POINTS = ("burnish_launch", "burnish_worker", "burnish_stop")


class Cpu:
    """The device `cpu`."""

    name = identity = "cpu"

    def missing(self, target: Target) -> list[str]:
        return supports(target)

    def callers(self, threads: int) -> int:
        return max(2, core_count() // threads)

    def upload(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return array.copy()

    def install(self, plan: Plan, variant: Variant) -> CpuInstalled:
        return CpuInstalled(self, plan, variant)

    def allocate(self, size_bytes: int) -> CpuMemory:
        return allocate(size_bytes)

    def constant(self, blob: Any) -> CpuMemory:
        return constant(blob)

    def load(self, code: Any) -> LoadedObject:
        return load_object(code, ENTRY_POINTS)

    def team(self, code: LoadedObject, threads: int) -> Team:
        return ThreadTeam(code, threads)
