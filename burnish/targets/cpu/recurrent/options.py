"""The options of a recurrent layer's schedule on a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from burnish.targets.cpu.cpu_template import CpuOptions


@dataclass(frozen=True)
class RecurrentOptions(CpuOptions):
    """A unit of work is one direction of a few sequences.

    width  lanes of a block of hidden units
    rows   sequences of the batch that are computed together
    steps  time steps whose inputs are projected at once
    split  units: they are shared out over the threads; serial: thread 0 does everything
    """

    template: ClassVar[str] = "recurrent"
    width: int
    rows: int
    steps: int
    split: str

    @property
    def is_serial(self) -> bool:
        return self.split == "serial"
