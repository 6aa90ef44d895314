"""The table of GPU templates by kind of kernel, and a memory of their answers.

A build asks several times: for the cache, for the tuner, for the compiler that works ahead, for the plan.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Kernel
from burnish.target import Target
from burnish.targets.cuda.attention.template import ATTENTION
from burnish.targets.cuda.contraction.template import CONTRACTION
from burnish.targets.cuda.cuda_template import CudaTemplate
from burnish.targets.cuda.loops.template import LOOPS
from burnish.targets.cuda.source import Source

KEPT = 512  # answers that are remembered
TEMPLATES: dict[type[Kernel], CudaTemplate[Any]] = {t.kernel: t for t in (LOOPS, CONTRACTION, ATTENTION)}


def template_of(kernel: Kernel) -> CudaTemplate[Any]:
    """The template for this kind of kernel."""
    return TEMPLATES[type(kernel)]


def schedules_of(kernel: Kernel, target: Target, sizes: Mapping[str, int]) -> list[Schedule]:
    """As the kernel's template says."""
    return list(_schedules(kernel, target, tuple(sorted(sizes.items()))))


@functools.lru_cache(KEPT)
def emit(kernel: Kernel, schedule: Schedule, target: Target) -> Source:
    """As the kernel's template says."""
    return template_of(kernel).emit(kernel, schedule, target)


@functools.lru_cache(KEPT)
def _schedules(kernel: Kernel, target: Target, sizes: tuple[tuple[str, int], ...]) -> tuple[Schedule, ...]:
    return tuple(template_of(kernel).schedules(kernel, target, dict(sizes)))
