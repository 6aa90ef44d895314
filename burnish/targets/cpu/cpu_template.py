"""What a template for CPUs has besides what every template has: LLVM IR, and scratch memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from llvmlite import ir

from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Kernel
from burnish.targets.cpu.builder import KernelContext
from burnish.targets.template import K, Template


def no_scratch(kernel: Kernel, schedule: Schedule) -> int:
    """The kernel lives in registers and in its slots."""
    del kernel, schedule
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTemplate(Template[K]):
    """emit         writes the kernel into the context's module: one internal function of this name (`builder.py`)
    scratch_bytes   memory that each thread needs besides the slots
    is_serial       does thread 0 do all the work? Then no barrier is needed between two such launches
    """

    emit: Callable[[KernelContext, K, Schedule, str], ir.Function]
    is_serial: Callable[[Schedule], bool]
    scratch_bytes: Callable[[K, Schedule], int] = no_scratch
