"""What a GPU template adds to the general template: Triton source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from burnish.kernels.schedule import Options, Schedule
from burnish.target import Target
from burnish.targets.cuda.source import Source
from burnish.targets.template import K, Template


@dataclass(frozen=True, slots=True, kw_only=True)
class CudaTemplate(Template[K]):
    """emit    the kernel's source, its parameters and its grid; equal arguments give equal text
    options    what its schedules say: one kind, or several with a template's name of their own
    """

    emit: Callable[[K, Schedule, Target], Source]
    options: tuple[type[Options], ...]
