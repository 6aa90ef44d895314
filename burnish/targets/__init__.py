"""Targets: kernel task + schedule -> machine code.

`compiler_of(target)` is the one way in; `hardware_of(target)` has facts for those who compile nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from burnish.targets.keep import Keep, keep_nothing

if TYPE_CHECKING:
    from burnish.kernels.abilities import Abilities
    from burnish.kernels.arena import Arena
    from burnish.kernels.schedule import Options, Schedule
    from burnish.kernels.task import Kernel, Launch, Program
    from burnish.plan.manifest import Variant
    from burnish.target import Target
    from burnish.targets.hardware import Hardware

__all__ = ["Ahead", "Compiler", "compiler_of", "hardware_of"]


class Ahead(Protocol):
    """Compiles launches in the background. On exit, launches whose compilation has not started are dropped."""

    def begin(self, launch: Launch, schedules: Sequence[Schedule]) -> None:
        """Queue the launch with each of these schedules, and return at once. Offsets are numbers."""

    def __enter__(self) -> Ahead: ...

    def __exit__(self, *problem: object) -> None: ...


class Compiler(Protocol):
    """Compiles for one target."""

    @property
    def abilities(self) -> Abilities:
        """The facts about the target that lowering needs."""

    @property
    def options(self) -> Mapping[str, type[Options]]:
        """The options of schedules, by template name; `meanings()` of each class explains them."""

    def schedules(self, kernel: Kernel, sizes: Mapping[str, int]) -> list[Schedule]:
        """Every legal schedule, the cost model's favourite first. sizes: the usual value of each symbol."""

    def emit_program(
        self,
        program: Program,
        arena: Arena,
        schedules: Mapping[str, Schedule],
        note: Callable[[str], None] = lambda line: None,
        keep: Keep = keep_nothing,
    ) -> tuple[Variant, dict[str, bytes | memoryview]]:
        """Machine code, packed constants and steps: the variant, and its blobs by name. Same arguments, same bytes.

        schedules: by kernel key; a kernel without one gets its template's first
        note:      gets a line for each tactic that needs more memory than `program.workspace`
        keep:      gets every kernel's source, and may give an edited one to compile in its place; and the assembly
        """

    def compile_ahead(self) -> Ahead | None:
        """A background compiler for `emit_program`; None where compiling ahead saves no time."""


def compiler_of(target: Target) -> Compiler:
    """The compiler for a target. A target's code generator is imported when it is first asked for."""
    return _COMPILERS[target.kind](target)


def hardware_of(target: Target) -> Hardware:
    """Facts about the target's hardware. No code generator is imported."""
    return _HARDWARE[target.kind](target)


def _cpu(target: Target) -> Compiler:
    from burnish.targets.cpu.program import CpuCompiler

    return CpuCompiler(target)


def _cuda(target: Target) -> Compiler:
    from burnish.targets.cuda.program import CudaCompiler

    return CudaCompiler(target)


def _cpu_hardware(target: Target) -> Hardware:
    from burnish.targets.cpu.hardware import HARDWARE

    return HARDWARE


def _cuda_hardware(target: Target) -> Hardware:
    from burnish.targets.cuda.chips import hardware

    return hardware(target)


_HARDWARE: dict[str, Callable[[Target], Hardware]] = {"cpu": _cpu_hardware, "cuda": _cuda_hardware}
_COMPILERS: dict[str, Callable[[Target], Compiler]] = {"cpu": _cpu, "cuda": _cuda}
