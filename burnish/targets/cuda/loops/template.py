"""Loops: pointwise work, reductions, softmax, norms, pooling, transposes, gathers, depthwise convolution.

    for every block of rows (x columns), a program:
        values that are the same in all columns, row reductions first
        the values, then the stores, at every element of the tile

layout   any strides; best where stores, and most loads, have neighbours in the tile's columns
dtypes   all but f8 and strings; f16 and bf16 are computed in f32
windows  depthwise convolution and pooling by patches: window/
work     one evaluation per element; a reduction is computed once per index of the axes that it depends on
limits   any domain (an empty one has no programs); reductions of any depth over any axes
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest

from burnish.kernels.schedule import Options, Schedule
from burnish.kernels.task import Loops
from burnish.target import Target
from burnish.targets.cuda.cuda_template import CudaTemplate
from burnish.targets.cuda.loops import schedules as loops_schedule
from burnish.targets.cuda.loops.arrange import arranged, repeated
from burnish.targets.cuda.loops.options import LoopsOptions, WindowOptions
from burnish.targets.cuda.loops.window import schedules as loops_window_schedule
from burnish.targets.cuda.loops.window import write as loops_window_emit
from burnish.targets.cuda.loops.window.recognise import windows_of
from burnish.targets.cuda.loops.write import source_of
from burnish.targets.cuda.source import Source

PREFERRED = 8  # schedules of patches that come before all others


def schedules(kernel: Loops, target: Target, sizes: Mapping[str, int]) -> list[Schedule]:
    """Legal schedules; the cost model's favourite comes first. `sizes`: the usual values of the dims."""
    kernel = arranged(kernel)
    found: list[Options] = [*loops_schedule.ranked(kernel, target, sizes)]
    windows = windows_of(kernel)
    if windows is not None:
        patches = loops_window_schedule.ranked(kernel, windows, target, sizes)
        if patches:  # none where there are fewer channels than the smallest tile has
            first, rest = patches[:PREFERRED], patches[PREFERRED:]
            found = [*first, *(s for pair in zip_longest(found[: len(patches)], rest) for s in pair if s is not None)]
    return [options.schedule for options in found]


def legal(kernel: Loops, schedule: Schedule, target: Target) -> bool:
    """Can this kernel be written with this schedule?"""
    del target
    kernel = arranged(kernel)
    if schedule.template == WindowOptions.template:
        windows = windows_of(kernel)
        return windows is not None and loops_window_schedule.is_possible(windows, WindowOptions.read(schedule))
    is_ours = schedule.template == LoopsOptions.template
    return is_ours and loops_schedule.is_possible(kernel, LoopsOptions.read(schedule))


def emit(kernel: Loops, schedule: Schedule, target: Target) -> Source:
    """The kernel's source."""
    kernel = arranged(kernel)
    if schedule.template == WindowOptions.template:
        windows = windows_of(kernel)
        assert windows is not None
        return loops_window_emit.source_of(kernel, windows, WindowOptions.read(schedule), target)
    options = LoopsOptions.read(schedule)
    return source_of(repeated(kernel, options.repeat), options, target)


LOOPS = CudaTemplate(kernel=Loops, schedules=schedules, legal=legal, emit=emit, options=(LoopsOptions, WindowOptions))
