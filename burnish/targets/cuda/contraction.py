"""x"""

from burnish.lower.schedule import Schedule
from burnish.lower.task import Contraction
from burnish.target import Target
from burnish.targets.cuda.contraction_emit import write_source
from burnish.targets.cuda.contraction_tile import tile_of
from burnish.targets.cuda.source import Source


def emit(kernel: Contraction, schedule: Schedule, target: Target) -> Source:
    """The kernel under a schedule: equal arguments give equal text."""
    return write_source(kernel, tile_of(schedule), target)
