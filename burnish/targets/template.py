"""A template: how one kind of kernel is written for one target. Each target adds its own way to emit code.

Every decision of `emit` and `pack` is an option of the schedule, so that a timing cache can hold it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Kernel
from burnish.target import Target

Array = np.ndarray[Any, Any]
K = TypeVar("K", bound=Kernel)


def unpacked(kernel: Kernel, schedule: Schedule, slot: int, array: Array) -> Array:
    """The constant as it is."""
    del kernel, schedule, slot
    return array


@dataclass(frozen=True, slots=True, kw_only=True)
class Template(Generic[K]):
    """kernel     the kind of task that it does
    schedules     legal ones for a kernel, a target and the usual value of each symbol, best guess first
    legal         can this kernel be written with this schedule, for whatever sizes it was chosen?
    pack          a constant, by slot, as the schedule wants it in memory; the very same object if it stays as it is
    """

    kernel: type[K]
    schedules: Callable[[K, Target, Mapping[str, int]], list[Schedule]]
    legal: Callable[[K, Schedule, Target], bool]
    pack: Callable[[K, Schedule, int, Array], Array] = unpacked
