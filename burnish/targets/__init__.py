"""Targets: kernel task + schedule -> machine code. A target's package has a module `backend`, with these functions:

abilities(target) -> Abilities                           what lowering must know
schedules(kernel, target, sizes) -> list[Schedule]       legal ones, the cost model's favourite first
emit_program(program, arena, target, schedules)          machine code, packed constants and steps: (Variant, blobs)
compile_ahead([(kernel, schedule) ...], target)          optional: many in parallel, for emit_program to find
"""

from __future__ import annotations

import importlib
from types import ModuleType

from burnish.target import Target

__all__ = ["backend"]


def backend(target: Target) -> ModuleType:
    """The module that compiles for this kind of target."""
    return importlib.import_module(f"burnish.targets.{target.kind}.backend")
