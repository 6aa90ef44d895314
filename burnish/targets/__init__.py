"""Targets: kernel task + schedule -> machine code. A target's package has a module `backend`, with these functions:

abilities(target) -> Abilities                           what lowering must know
schedules(kernel, target, sizes) -> list[Schedule]       legal ones, the cost model's favourite first
emit_program(program, arena, target, schedules)          machine code, packed constants and steps: (Variant, blobs)
compile_ahead(target) -> Ahead                           optional: compiles in the background, for emit_program to find
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from burnish.kernels.schedule import Schedule
    from burnish.kernels.task import Launch
    from burnish.target import Target

__all__ = ["Ahead", "backend"]


class Ahead(Protocol):
    """Launches that are being compiled; leaving it drops those that nobody has reached yet."""

    def begin(self, launch: Launch, schedules: Sequence[Schedule]) -> None:
        """By each of these schedules, after those that were begun before; returns at once. Offsets are numbers."""

    def __enter__(self) -> Ahead: ...

    def __exit__(self, *problem: object) -> None: ...


def backend(target: Target) -> ModuleType:
    """The module that compiles for this kind of target."""
    return importlib.import_module(f"burnish.targets.{target.kind}.backend")
