"""What a CPU template adds to the general template: LLVM IR and scratch memory."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from llvmlite import ir

from burnish.kernels.schedule import Options, Schedule
from burnish.kernels.task import Kernel
from burnish.targets.cpu.builder import KernelContext
from burnish.targets.template import K, Template


@dataclass(frozen=True)
class CpuOptions(Options):
    """The options that every CPU schedule has."""

    @property
    @abstractmethod
    def is_serial(self) -> bool:
        """Does thread 0 do all the work? Then no barrier is needed between two such launches."""


def no_scratch(kernel: Kernel, schedule: Schedule) -> int:
    """No scratch memory: the kernel uses only registers and its slots."""
    del kernel, schedule
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuTemplate(Template[K]):
    """emit         writes the kernel into the context's module: one internal function of this name (`builder.py`)
    options         what its schedules say
    scratch_bytes   memory that each thread needs besides the slots
    """

    emit: Callable[[KernelContext, K, Schedule, str], ir.Function]
    options: type[CpuOptions]
    scratch_bytes: Callable[[K, Schedule], int] = no_scratch
