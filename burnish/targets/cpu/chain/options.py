"""The options of a chain's schedule on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from burnish.kernels.schedule import Schedule
from burnish.targets.cpu.cpu_template import CpuOptions

_BETWEEN = " | "


@dataclass(frozen=True)
class ChainOptions(CpuOptions):
    """Strips are shared out over the threads.

    stages  the schedule of each stage, as it prints
    """

    template: ClassVar[str] = "chain"
    stages: str

    @staticmethod
    def of(schedules: Sequence[Schedule]) -> ChainOptions:
        """The options for the stages' schedules."""
        return ChainOptions(_BETWEEN.join(map(str, schedules)))

    @property
    def schedules(self) -> list[Schedule]:
        """The schedule of each stage."""
        return [Schedule.parse(text) for text in self.stages.split(_BETWEEN)]

    @property
    def is_serial(self) -> bool:
        return False
