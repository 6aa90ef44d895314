"""The schedule of a chain holds the schedules of its stages."""

from __future__ import annotations

from burnish.kernels.schedule import Schedule
from burnish.targets.cpu.chain.options import ChainOptions


def test_the_stages_schedules_are_read_back_in_order() -> None:
    stages = [Schedule.of("loops", width=16, split="units"), Schedule.of("contraction", rows=-1, fold=False)]
    options = ChainOptions.of(stages)
    assert options.schedules == stages
    assert ChainOptions.read(options.schedule) == options and not options.is_serial
