"""The table of CPU templates by kind of kernel."""

from __future__ import annotations

from typing import Any

from burnish.kernels.task import Kernel
from burnish.targets.cpu.attention.template import ATTENTION
from burnish.targets.cpu.chain.template import CHAIN
from burnish.targets.cpu.contraction.template import CONTRACTION
from burnish.targets.cpu.cpu_template import CpuTemplate
from burnish.targets.cpu.loops.template import LOOPS
from burnish.targets.cpu.recurrent.template import RECURRENT
from burnish.targets.cpu.trees.template import TREES

TEMPLATES: dict[type[Kernel], CpuTemplate[Any]] = {
    t.kernel: t for t in (LOOPS, CONTRACTION, ATTENTION, RECURRENT, TREES, CHAIN)
}


def template_of(kernel: Kernel) -> CpuTemplate[Any]:
    """The template for this kind of kernel."""
    return TEMPLATES[type(kernel)]
