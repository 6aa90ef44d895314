"""The CPU target, as `burnish.targets` describes one."""

from __future__ import annotations

from burnish.kernels.abilities import Abilities
from burnish.target import Target
from burnish.targets.cpu.program import emit_program
from burnish.targets.cpu.templates import schedules

__all__ = ["abilities", "emit_program", "schedules"]


def abilities(target: Target) -> Abilities:
    """No level has arithmetic of half width, but bf16's products may be an instruction; Winograd pays in f32."""
    return Abilities(packs_half=True, bf16_products="bf16" in target.extensions)
