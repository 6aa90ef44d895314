"""templates.py: every kind of kernel has its template; serial schedules are known."""

from __future__ import annotations

from typing import get_args

import pytest

from burnish.kernels.schedule import Schedule
from burnish.kernels.task import AttentionTask, Contraction, Kernel, Loops, RecurrentTask
from burnish.targets.cpu.templates import TEMPLATES


def test_every_kind_of_kernel_has_a_template():
    assert set(TEMPLATES) == set(get_args(Kernel))
    assert all(kind is template.kernel for kind, template in TEMPLATES.items())


@pytest.mark.parametrize("kind, name", [(Loops, "loops"), (RecurrentTask, "recurrent")])
def test_a_schedule_that_is_not_split_is_serial(kind: type[Kernel], name: str):
    assert TEMPLATES[kind].is_serial(Schedule.of(name, split="serial"))
    assert not TEMPLATES[kind].is_serial(Schedule.of(name, split="units"))


@pytest.mark.parametrize("kind, name", [(Contraction, "contraction"), (AttentionTask, "attention")])
def test_a_schedule_may_say_that_it_is_serial(kind: type[Kernel], name: str):
    assert TEMPLATES[kind].is_serial(Schedule.of(name, serial=True))
    assert not TEMPLATES[kind].is_serial(Schedule.of(name, serial=False))
