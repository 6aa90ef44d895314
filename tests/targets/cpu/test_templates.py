"""templates.py: every kind of kernel has its template, and every template says what its options mean."""

from __future__ import annotations

from dataclasses import fields
from typing import get_args

import pytest

from burnish.kernels.task import Kernel
from burnish.targets.cpu.attention.options import AttentionOptions
from burnish.targets.cpu.contraction.options import ContractionOptions
from burnish.targets.cpu.loops.options import LoopsOptions
from burnish.targets.cpu.recurrent.options import RecurrentOptions
from burnish.targets.cpu.templates import TEMPLATES


def test_every_kind_of_kernel_has_a_template():
    assert set(TEMPLATES) == set(get_args(Kernel))
    assert all(kind is template.kernel for kind, template in TEMPLATES.items())


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda t: t.options.template)
def test_every_option_is_explained(template):
    assert set(template.options.meanings()) == {f.name for f in fields(template.options)}


def test_a_schedule_says_that_it_is_serial():
    for split, is_serial in (("serial", True), ("units", False)):
        assert LoopsOptions(0, 8, -1, 1, 0, split).is_serial == is_serial
        assert RecurrentOptions(8, 1, 4, split).is_serial == is_serial
        assert AttentionOptions(6, 2, 8, 1, 128, serial=is_serial).is_serial == is_serial
        assert ContractionOptions("tile", 6, 2, 8, 4, 0, False, 0, 0, 0, serial=is_serial).is_serial == is_serial
