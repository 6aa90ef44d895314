"""templates.py: every kind of kernel has its template, and every template the functions that program.py calls."""

from __future__ import annotations

import inspect

import pytest

from burnish.kernels.schedule import Schedule
from burnish.targets.cpu import templates


@pytest.mark.parametrize("kind", templates._MODULES)
def test_every_kind_of_kernel_has_a_template(kind: type):
    module = templates.template_of(object.__new__(kind))
    assert list(inspect.signature(module.schedules).parameters)[:2] == ["kernel", "target"]
    assert list(inspect.signature(module.emit).parameters)[:4] == ["context", "kernel", "schedule", "name"]


def test_serial_tactics_are_known_by_their_option():
    assert templates.is_serial(Schedule.of("loops", split="serial"))
    assert templates.is_serial(Schedule.of("contraction", serial=True))
    assert not templates.is_serial(Schedule.of("contraction", serial=False))
    assert not templates.is_serial(Schedule.of("loops", split="units"))
