"""The CUDA target, as `burnish.targets` describes one."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.errors import BurnishError
from burnish.lower.abilities import Abilities
from burnish.lower.schedule import Schedule
from burnish.lower.task import Kernel
from burnish.target import Target
from burnish.targets.cuda.compile import try_sources
from burnish.targets.cuda.program import emit_program
from burnish.targets.cuda.source import Source
from burnish.targets.cuda.templates import emit, schedules

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


def compile_ahead(wanted: Sequence[tuple[Kernel, Schedule]], target: Target) -> None:
    """All of these in parallel. What does not compile is left for `emit_program` to say."""
    sources: list[tuple[Source, Target]] = []
    for kernel, schedule in wanted:
        try:
            sources.append((emit(kernel, schedule, target), target))
        except BurnishError:
            continue
    try_sources(sources)
