"""templates.py: which kernels have a template on a GPU, and that every option is explained."""

from __future__ import annotations

from dataclasses import fields

import pytest

from burnish.kernels.task import RecurrentTask
from burnish.target import parse_target
from burnish.targets import compiler_of
from burnish.targets.cuda.contraction.tile import Tile
from burnish.targets.cuda.templates import TEMPLATES

OPTIONS = [options for template in TEMPLATES.values() for options in template.options]


def test_what_has_no_template_is_what_lowering_is_told_of():
    assert all(kind is template.kernel for kind, template in TEMPLATES.items())
    assert (RecurrentTask in TEMPLATES) == compiler_of(parse_target("cuda:sm_90a")).abilities.recurrent


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: o.template)
def test_every_option_is_explained(options):
    assert set(options.meanings()) == {f.name for f in fields(options)}


def test_a_tile_is_read_back_from_its_schedule():
    plain = Tile("load", 64, 32, 64)
    boxed = Tile("copy", 64, 64, 64, (8, 8), swap=True, apart=True, stagger=512)
    assert [Tile.read(t.schedule) for t in (plain, boxed)] == [plain, boxed]
    assert "stagger" not in str(plain.schedule) and "box=8x8" in str(boxed.schedule)
