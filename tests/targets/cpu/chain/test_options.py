"""The schedule of a chain holds the schedules of its stages."""

from __future__ import annotations

from burnish.dtypes import DType
from burnish.kernels.schedule import Schedule
from burnish.target import parse_target
from burnish.targets.cpu.chain.options import ChainOptions
from burnish.targets.cpu.contraction import template as contraction
from tests.targets.cpu.contractions import matmul


def test_the_stages_schedules_are_read_back_in_order() -> None:
    stages = [Schedule.of("loops", width=16, split="units"), Schedule.of("contraction", rows=-1, fold=False)]
    options = ChainOptions.of(stages)
    assert options.schedules == stages
    assert ChainOptions.read(options.schedule) == options and not options.is_serial


def test_a_plan_tells_the_tactic_in_one_line_that_is_read_back() -> None:
    options = ChainOptions.of([Schedule.of("loops", width=16, split="units"), product("tile")])
    again = ChainOptions.read(Schedule.parse(str(options.schedule)))
    assert again == options and not again.widens_weights
    assert ChainOptions.of([product("tile"), product("narrow")]).widens_weights


def product(form: str) -> Schedule:
    kernel = matmul(4, 8, 16, b_dtype=DType.BF16).kernel
    found = contraction.schedules(kernel, parse_target("cpu:x86-64-v3"), {})
    return next(s for s in found if s["form"] == form)
