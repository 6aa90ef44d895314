"""The options of the schedules of loop nests on a GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from burnish.kernels.schedule import Options


@dataclass(frozen=True)
class LoopsOptions(Options):
    """A program has a tile of rows and columns; axes are numbered as in the arranged domain.

    columns  how many axes at the domain's end lie in the tile's columns, as one
    across   the axis in the tile's rows; -1: all others, as one; -2: none, reductions lie there
    rows     rows of a tile
    block    columns of a tile, or elements of a reduction that are taken at once
    down     reductions that depend on the columns lie in the rows (then nothing else does)
    repeat   neighbouring windows that a lane takes together, so that what they share is read once
    warps    of a program, 32 threads each
    """

    template: ClassVar[str] = "loops"
    columns: int
    across: int
    rows: int
    block: int
    down: bool
    repeat: int
    warps: int


@dataclass(frozen=True)
class WindowOptions(Options):
    """A lane computes a patch of neighbouring results of one channel.

    down, across  results of a patch
    rows          patches of a tile
    block         channels of a tile
    warps         of a program, 32 threads each
    ahead         input rows that are loaded before the rows in use are finished
    registers     limit for a thread, so that the same number of programs fits on a multiprocessor; 0: the assembler
                  chooses, which is faster for strided windows
    """

    template: ClassVar[str] = "window"
    down: int
    across: int
    rows: int
    block: int
    warps: int
    ahead: int
    registers: int
