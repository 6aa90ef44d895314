"""Which template does which kernel. A template is a module:

schedules(kernel, target, sizes) -> list           legal ones, best guess first
emit(kernel, schedule, target) -> Source           Triton source, parameters, grid
pack(kernel, schedule, slot, array) -> array       optional: a constant as the schedule wants it, or the array itself
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from burnish.kernels.schedule import Schedule
from burnish.kernels.task import AttentionTask, Contraction, Kernel, Loops
from burnish.target import Target
from burnish.targets.cuda.source import Source

Array = np.ndarray[Any, Any]
KEPT = 512  # answers that are remembered

_MODULES: dict[type, str] = {Loops: "loops", Contraction: "contraction", AttentionTask: "attention"}


def template_of(kernel: Kernel) -> ModuleType:
    """The module that emits this kind of kernel."""
    return importlib.import_module(f"burnish.targets.cuda.{_MODULES[type(kernel)]}.template")


def schedules(kernel: Kernel, target: Target, sizes: Mapping[str, int]) -> list[Schedule]:
    """Every legal schedule, the one that the template's cost model holds for best first. `sizes`: the usual dims."""
    return list(_schedules(kernel, target, tuple(sorted(sizes.items()))))


def emit(kernel: Kernel, schedule: Schedule, target: Target) -> Source:
    """The kernel's source under a schedule."""
    return _emit(kernel, schedule, target)


def pack_constant(kernel: Kernel, schedule: Schedule, slot: int, array: Array) -> Array:
    """The constant of a slot, as the schedule wants it; the very same object if it stays as it is."""
    pack = getattr(template_of(kernel), "pack", None)
    return array if pack is None else pack(kernel, schedule, slot, array)


# A build asks several times: for the cache, for the tuner, for the compiler that works ahead, for the plan.


@functools.lru_cache(KEPT)
def _schedules(kernel: Kernel, target: Target, sizes: tuple[tuple[str, int], ...]) -> tuple[Schedule, ...]:
    found: list[Schedule] = template_of(kernel).schedules(kernel, target, dict(sizes))
    return tuple(found)


@functools.lru_cache(KEPT)
def _emit(kernel: Kernel, schedule: Schedule, target: Target) -> Source:
    source: Source = template_of(kernel).emit(kernel, schedule, target)
    return source
