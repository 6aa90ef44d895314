"""The options of a chain's schedule on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from burnish.kernels.schedule import Schedule
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.cpu_template import CpuOptions

_BETWEEN, _SPACE = "|", ":"  # a schedule prints with spaces between its options, so an option has none


@dataclass(frozen=True)
class ChainOptions(CpuOptions):
    """Strips are shared out over the threads.

    stages  the schedule of each stage, as it prints but for colons in place of spaces
    """

    template: ClassVar[str] = "chain"
    stages: str

    @staticmethod
    def of(schedules: Sequence[Schedule]) -> ChainOptions:
        """The options for the stages' schedules."""
        return ChainOptions(_BETWEEN.join(str(s).replace(" ", _SPACE) for s in schedules))

    @property
    def schedules(self) -> list[Schedule]:
        """The schedule of each stage."""
        return [Schedule.parse(text.replace(_SPACE, " ")) for text in self.stages.split(_BETWEEN)]

    @property
    def widens_weights(self) -> bool:
        products = (s for s in self.schedules if s.template == ContractionOptions.template)
        return any(ContractionOptions.read(s).widens_weights for s in products)

    @property
    def is_serial(self) -> bool:
        return False
