"""Loops: pointwise work, reductions, softmax, norms, pooling, transposes, gathers, depthwise convolution.

    for every block of rows (x columns), a program:
        what is the same in all columns, row reductions first
        the values, then the stores, at every element of the tile

layout   any strides; best where stores, and most loads, have neighbours in the tile's columns
dtypes   all but f8 and strings; f16 and bf16 are computed in f32
work     one evaluation per element; a reduction is computed once per index of the axes that it depends on
limits   any domain (an empty one has no programs); reductions of any depth over any axes
"""

from __future__ import annotations

from collections.abc import Mapping

from burnish.lower.schedule import Schedule
from burnish.lower.task import Loops
from burnish.target import Target
from burnish.targets.cuda import loops_schedule
from burnish.targets.cuda.loops_emit import source_of
from burnish.targets.cuda.loops_shape import arranged, repeated
from burnish.targets.cuda.source import Source


def schedules(kernel: Loops, target: Target, sizes: Mapping[str, int]) -> list[Schedule]:
    """Legal schedules, the one the cost model prefers first. `sizes`: the dims' usual values."""
    return loops_schedule.ranked(arranged(kernel), target, sizes)


def emit(kernel: Loops, schedule: Schedule, target: Target) -> Source:
    """The kernel's source."""
    return source_of(repeated(arranged(kernel), schedule.integer("repeat")), schedule, target)
