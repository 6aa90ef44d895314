"""Which template does which kernel. A template is a module:

schedules(kernel, target, sizes) -> list             legal ones, best guess first; a tactic of thread 0 alone says
                                                     split=serial or serial=True, and barriers are spared around it
emit(context, kernel, schedule, name) -> function    one internal function with the kernel signature
pack(kernel, schedule, slot, array) -> array         optional: a constant as the schedule wants it, or the array itself
scratch_bytes(kernel, schedule) -> int               optional: scratch memory per thread
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from burnish.kernels.schedule import Schedule
from burnish.kernels.task import AttentionTask, Contraction, Kernel, Loops, RecurrentTask
from burnish.target import Target

Array = np.ndarray[Any, Any]

_MODULES: dict[type, str] = {
    Loops: "loops",
    Contraction: "contraction",
    AttentionTask: "attention",
    RecurrentTask: "recurrent",
}


def template_of(kernel: Kernel) -> ModuleType:
    """The module that emits this kind of kernel."""
    return importlib.import_module(f"burnish.targets.cpu.{_MODULES[type(kernel)]}.template")


def schedules(kernel: Kernel, target: Target, sizes: Mapping[str, int]) -> list[Schedule]:
    """Every legal schedule, the one that the template's cost model holds for best first. `sizes`: the usual dims."""
    found: list[Schedule] = template_of(kernel).schedules(kernel, target, sizes)
    return found


def is_serial(schedule: Schedule) -> bool:
    """Does thread 0 do all the work?"""
    return ("split", "serial") in schedule.options or ("serial", True) in schedule.options


def pack_constant(kernel: Kernel, schedule: Schedule, slot: int, array: Array) -> Array:
    """The constant of a slot, as the schedule wants it; the very same object if it stays as it is."""
    pack = getattr(template_of(kernel), "pack", None)
    return array if pack is None else pack(kernel, schedule, slot, array)


def scratch_bytes(kernel: Kernel, schedule: Schedule) -> int:
    """Scratch memory that each thread needs."""
    needed = getattr(template_of(kernel), "scratch_bytes", None)
    return 0 if needed is None else int(needed(kernel, schedule))
