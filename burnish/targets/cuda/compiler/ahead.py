"""Compiles kernels in the background, for a program that will be emitted soon."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from burnish.devices.cpu.processor import core_count
from burnish.errors import BurnishError
from burnish.kernels.schedule import Schedule
from burnish.kernels.task import Launch
from burnish.target import Target
from burnish.targets.cuda.alignment import is_possible, promise, slot_alignments
from burnish.targets.cuda.compiler.compile import import_triton
from burnish.targets.cuda.compiler.pool import Pool
from burnish.targets.cuda.source import Source
from burnish.targets.cuda.templates import emit

NICENESS = 10  # a measurement may be running


class Ahead:
    """Launches by schedules, compiled in the order they are begun. On exit, those not yet requested are cancelled.

    raises: E840 if triton is not installed
    """

    def __init__(self, target: Target) -> None:
        import_triton()
        self._target = target
        self._pool = Pool(core_count() if sys.executable else 0, NICENESS)

    def begin(self, launch: Launch, schedules: Sequence[Schedule]) -> None:
        """Returns at once. Compile errors are reported later, by `emit_program`."""
        alignment = slot_alignments([launch])[launch.kernel.key]
        sources: list[tuple[Source, Target]] = []
        for schedule in schedules:
            try:
                source = emit(launch.kernel, schedule, self._target)
            except BurnishError:
                continue
            if is_possible(source, alignment):
                sources.append((promise(source, alignment), self._target))
        self._pool.begin(sources)

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *problem: object) -> None:
        self._pool.close(wait=problem[0] is None)
