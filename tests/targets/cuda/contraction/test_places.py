"""Where tiles lie: the text of scalars is run as it stands, on Python's numbers."""

from __future__ import annotations

from itertools import product
from types import SimpleNamespace

import pytest

from burnish.target import parse_target
from burnish.targets.cuda.contraction.places import write_counters, write_place, write_starts
from burnish.targets.cuda.contraction.tile import Tile
from burnish.targets.cuda.contraction.tiling import Tiling
from burnish.targets.cuda.text import KernelText
from tests.targets.cuda.contraction_tasks import convolution, matmul

H200 = parse_target("cuda:sm_90a")
SCALARS = {"tl": SimpleNamespace(minimum=min)}


def run(text: KernelText, **given: int) -> dict[str, int]:
    """The values of all names after the lines."""
    values: dict[str, int] = dict(given)
    exec("\n".join(line.strip() for line in text.lines), dict(SCALARS), values)
    return values


@pytest.mark.parametrize("band", [1, 2, 3, 8])
@pytest.mark.parametrize("batch", [(), (3,), (3, 2)])
def test_every_number_in_the_grid_is_another_tile(batch: tuple[int, ...], band: int):
    kernel = matmul(80, 40, 16, batch=batch, packed=not batch)
    t = Tiling(kernel, Tile("load", 16, 16, 16, band=band), H200)
    text = KernelText(kernel.slots, H200)
    place = write_place(text, t, text.name("place"))
    assert isinstance(t.tiles, int)
    found = []
    for number in range(t.tiles):
        values = run(text, place=number)
        found.append((*(values[name] for name in (*place.groups, place.row_tile, place.column)),))
    groups = [range(r.extent) for r in t.shape.groups]
    assert sorted(found) == sorted(product(*groups, range(5), (0, 16, 32)))


def test_neighbours_of_a_band_share_columns_before_they_move_on():
    kernel = matmul(64, 64, 16)
    t = Tiling(kernel, Tile("load", 16, 16, 16, band=2), H200)
    text = KernelText(kernel.slots, H200)
    place = write_place(text, t, text.name("place"))
    tiles = [(v[place.row_tile], v[place.column]) for v in (run(text, place=number) for number in range(4))]
    assert tiles == [(0, 0), (1, 0), (0, 16), (1, 16)]


def test_copied_tiles_begin_where_their_boxes_do():
    kernel = convolution(2, 16, (8, 8), 16, (3, 3), pads=(1, 1))
    t = Tiling(kernel, Tile("copy", 16, 16, 16, box=(1, 4, 4)), H200)
    text = KernelText(kernel.slots, H200)
    place = write_place(text, t, text.name("place"))
    starts = write_starts(text, t, place)
    assert isinstance(t.row_tiles, int)
    found = [[v[name] for name in starts] for v in (run(text, place=n) for n in range(t.row_tiles))]
    assert found == [list(each) for each in product(range(2), (0, 4), (0, 4))]


def test_what_lies_beyond_stays_beyond():
    text = KernelText((), H200)
    names = write_counters(text, "flat", [3, 4, 5], "at")
    assert [[run(text, flat=n)[name] for name in names] for n in (0, 59, 60)] == [[0, 0, 0], [2, 3, 4], [3, 0, 0]]
