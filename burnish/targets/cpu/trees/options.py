"""The options of a tree ensemble's schedule on a CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from burnish.targets.cpu.cpu_template import CpuOptions


@dataclass(frozen=True)
class TreesOptions(CpuOptions):
    """A unit of work is a chunk of rows.

    lanes  walks that go on side by side
    split  rows: chunks are shared out over the threads; serial: thread 0 does everything
    """

    template: ClassVar[str] = "trees"
    lanes: int
    split: str

    @property
    def is_serial(self) -> bool:
        return self.split == "serial"
