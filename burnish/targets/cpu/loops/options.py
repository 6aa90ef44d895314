"""The options of a loop nest's schedule on a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from burnish.targets.cpu.cpu_template import CpuOptions


@dataclass(frozen=True)
class LoopsOptions(CpuOptions):
    """Axes are numbered as in the prepared domain, outer to inner; -1: none.

    vector  the axis that goes to the lanes of a register
    width   lanes; 1: a scalar loop
    tile    the axis that is walked several rows at a time, in straight-line code
    rows    how many rows of that axis
    block   the vector axis is cut into units of so many elements; 0: one unit has all of it
    split   units: they are shared out over the threads; serial: thread 0 does everything
    """

    template: ClassVar[str] = "loops"
    vector: int
    width: int
    tile: int
    rows: int
    block: int
    split: str

    @property
    def is_serial(self) -> bool:
        return self.split == "serial"
