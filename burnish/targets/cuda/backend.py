"""The CUDA target, as `burnish.targets` describes one."""

from __future__ import annotations

from burnish.kernels.abilities import Abilities
from burnish.target import Target
from burnish.targets.cuda.compiler.ahead import Ahead
from burnish.targets.cuda.program import emit_program
from burnish.targets.cuda.templates import schedules

__all__ = ["abilities", "compile_ahead", "emit_program", "schedules"]


def abilities(target: Target) -> Abilities:
    """Tensor cores take halves, the copy engine reads zeros around an image, and the reference kernels are far away."""
    del target
    return Abilities(
        computes_half=True,
        pads_in_kernel=True,
        deep_images=True,
        winograd=False,
        adds_products=True,
        spread_rows=False,
        recurrent=False,
        host_memory=False,
    )


def compile_ahead(target: Target) -> Ahead:
    """Compiling takes longer than measuring."""
    return Ahead(target)
