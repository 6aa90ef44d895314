"""The time of a launch whose programs are spread over a chip's processors, from the times of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from burnish.targets.cuda.chips import Chip

FROM_MEMORY = 0.85  # of the bytes: what the launch before wrote last is still in L2
_FEW = 8  # rounds of programs; with more, no processor has noticeably more of them than another


@dataclass(frozen=True, slots=True)
class Spread:
    """The programs of a launch on a chip. The last round may leave some processors idle."""

    chip: Chip
    programs: int

    @property
    def share(self) -> float:
        """Programs of each processor, on average."""
        return self.programs / self.chip.processors

    @property
    def busy(self) -> int:
        """Processors that have a program."""
        return min(self.programs, self.chip.processors)

    @property
    def uneven(self) -> float:
        """How much longer the launch takes because some processors have one program more than others."""
        return -(-self.programs // self.chip.processors) / self.share if 1 <= self.share < _FEW else 1.0

    def microseconds(self, parts: Sequence[float], unhidden: float) -> float:
        """The longest part and a share of the shorter ones, which it does not hide; or the time to start the programs.

        parts: times in us that overlap
        """
        together = max(parts) + unhidden * (sum(parts) - max(parts))
        return self.chip.launch_us + self.chip.first_us + max(together, self.share * self.chip.dispatch_us)
