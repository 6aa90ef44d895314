"""Devices without hardware: the whole flow of loading and calling, with faults on request.

`null_cuda` is the device `cuda` on a simulated driver (driver.py). `Null` simulates a processor. It uses host
memory. A launch runs `on_launch(segment, buffers, dims)` if there is one; else outputs keep their old content.
`faults={"allocate": 3}` makes the third allocation fail, as the real one would; `load` and `launch` likewise.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from burnish.devices.cpu import memory
from burnish.devices.cpu.memory import CpuMemory
from burnish.devices.cpu.session import CpuInstalled
from burnish.devices.cuda import Cuda
from burnish.devices.null.driver import NullDriver, OnLaunch
from burnish.errors import BurnishError, EnvironmentProblem
from burnish.plan.manifest import Variant
from burnish.plan.plan import Plan
from burnish.target import Target

_HINT = "this is the null device's doing; a test asked for it"


@dataclass
class Null:
    """The device `null`. `calls` counts the calls of each method; `open_teams` counts the teams not closed yet."""

    faults: Mapping[str, int] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    on_launch: Callable[[int, int, int], None] | None = None
    name: str = "null"
    identity: str = "null"
    calls: Counter[str] = field(default_factory=Counter)
    open_teams: int = 0

    def missing(self, target: Target) -> list[str]:
        return [flag for flag in self.lacks if flag in target.needed_flags]

    def callers(self, threads: int) -> int:
        return 2

    def upload(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return array.copy()

    def install(self, plan: Plan, variant: Variant) -> CpuInstalled:
        return CpuInstalled(self, plan, variant)

    def allocate(self, size_bytes: int) -> CpuMemory:
        self.count("allocate", EnvironmentProblem("E520", f"cannot allocate {size_bytes} bytes", hint=_HINT))
        return memory.allocate(size_bytes)

    def constant(self, blob: Any) -> CpuMemory:
        return memory.constant(blob)

    def load(self, code: Any) -> bytes:
        self.count("load", EnvironmentProblem("E830", "the code cannot be loaded", hint=_HINT))
        return bytes(code)

    def team(self, code: Any, threads: int) -> NullTeam:
        self.open_teams += 1
        return NullTeam(self)

    def count(self, what: str, error: BurnishError) -> None:
        """Count one more call of this name. The n-th fails if a fault was requested for it."""
        self.calls[what] += 1
        if self.calls[what] == self.faults.get(what):
            raise error


class NullTeam:
    """A team whose launches run the device's `on_launch`."""

    def __init__(self, device: Null) -> None:
        self._device = device
        self._is_closed = False

    def launch(self, segment: int, buffers: int, dims: int, profile: int) -> None:
        self._device.count("launch", EnvironmentProblem("E523", "the device failed during a launch", hint=_HINT))
        if self._device.on_launch is not None:
            self._device.on_launch(segment, buffers, dims)

    def close(self) -> None:
        if not self._is_closed:
            self._device.open_teams -= 1
        self._is_closed = True


def null_cuda(
    capability: tuple[int, int] = (9, 0),
    *,
    on_launch: OnLaunch | None = None,
    faults: Mapping[str, int] | None = None,
    number: int = 0,
) -> tuple[Cuda, NullDriver]:
    """The device `cuda` without a GPU, and its driver, which records every call."""
    facts = replace(NullDriver().facts, capability=capability)
    driver = NullDriver(facts, faults or {}, on_launch, number)
    return Cuda(driver=driver), driver
